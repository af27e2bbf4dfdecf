// What a client does with a card: shows it, and acts on its buttons.
"use strict";

const { AdaptiveCard, BoolProperty, CardObjectRegistry, Container, ExecuteAction, GlobalRegistry, HostConfig, HttpAction,
  OpenUrlAction, SerializationContext, ToggleVisibilityAction, Version, Versions } = AdaptiveCards;

// Teams knows it, and the renderer does not yet.
Container.showBorder = new BoolProperty(Versions.v1_0, "showBorder", false);

// Teams and Outlook render the text of cards as Markdown, and HTML in it as text.
AdaptiveCard.onProcessMarkdown = (text, result) => {
  result.outputHtml = markdownit().render(text);
  result.didProcess = true;
};

// Shows a card in place of the one before; gives what is wrong with it.
function showCard(source) {
  document.getElementById("card").replaceChildren();
  return addCard(source);
}

// Shows a card below the others; gives what is wrong with it.
function addCard(source) {
  const context = contextFor(Version.parse(source.version, new SerializationContext()));
  const card = new AdaptiveCard();
  card.hostConfig = new HostConfig(TEAMS);
  card.onExecuteAction = (action) => execute(action, source.correlationId);
  card.parse(source, context);
  document.getElementById("card").append(card.render());
  drawBorders(card);
  for (const input of card.getAllInputs()) input.renderedInputControlElement.name = input.id;
  const parsing = Array.from({ length: context.eventCount }, (_, index) => context.getEventAt(index));
  return parsing.concat(card.validateProperties().validationEvents).map((event) => event.message);
}

function drawBorders(container) {
  for (let index = 0; index < container.getItemCount(); index += 1) {
    const item = container.getItemAt(index);
    if (!(item instanceof Container)) continue;
    item.renderedElement?.classList.toggle("bordered", item.getValue(Container.showBorder));
    drawBorders(item);
  }
}

// Action.Http is no part of Adaptive Cards any more: only clients that show cards below 1.4 still know it.
function contextFor(version) {
  const context = new SerializationContext();
  if (version.compareTo(new Version(1, 4)) < 0) {
    const actions = new CardObjectRegistry();
    GlobalRegistry.populateWithDefaultActions(actions);
    actions.register(HttpAction.JsonTypeName, HttpAction);
    context.setActionRegistry(actions);
  }
  return context;
}

function execute(action, correlationId) {
  if (action instanceof OpenUrlAction) location.assign(action.url);
  else if (action instanceof HttpAction) send(action, correlationId);
  else if (action instanceof ExecuteAction) ask("/execute", { verb: action.verb, data: action.data });
  // The renderer itself has shown or hidden what this is about.
  else if (action instanceof ToggleVisibilityAction) return;
  else say(`This client cannot do ${action.getJsonTypeName()}.`);
}

// The renderer has put the inputs' values into the action.
function send({ method, url, headers, body }, correlationId) {
  ask("/send", {
    method, url, body, correlation_id: correlationId ?? "",
    headers: headers.map(({ name, value }) => [name, value]),
  });
}

// The call itself is made by the client's server, which tells what to show of the answer.
async function ask(path, click) {
  say("");
  try {
    const answer = await fetch(path, { method: "POST", body: JSON.stringify(click) });
    const { sentence, card } = await answer.json();
    const problems = card ? showCard(card) : [];
    say([sentence, ...problems].join("\n"));
  } catch (error) {
    say(`The action could not be sent: ${error}`);
  }
}

function say(sentence) {
  document.getElementById("status").textContent = sentence;
}
