#!/usr/bin/env bash
# Sets up ApproveRelease in Azure, or takes it away again. Made for Azure's Cloud Shell, where az is signed in.
#
#   bash setup.sh --repository octo/app --approvers alex@contoso.com
#
# Run again it changes only what differs, and keeps settings that were added by hand.

# The release that this is of, which writes it in.
RELEASE_REPOSITORY=''
RELEASE_TAG=''
PACKAGE_SHA256=''

set -euo pipefail
umask 077

# Microsoft Graph, and the two of its application permissions by which the app is told who is in a group:
# GroupMember.Read.All and User.Read.All. https://learn.microsoft.com/graph/permissions-reference
GRAPH_URL=https://graph.microsoft.com
GRAPH_APP=00000003-0000-0000-c000-000000000000
GRAPH_ROLES="98830695-27a2-44f7-8c18-0c3ebc9698f6 df021288-bdef-4463-88db-98f22de89214"

usage() {
  cat <<'USAGE'
usage: bash setup.sh --repository OWNER/NAME[,…] --approvers NAME[,…]
                     [--group GROUP] [--location REGION] [--alert-email ADDRESS] [--no-bot]
       bash setup.sh --delete [--group GROUP]

  --repository   the repositories that may ask for approvals
  --approvers    those who may decide: user principal names, Entra object ids, or group:GUID for a group's members
  --group        the resource group, which this makes (approve-release)
  --location     a region with Flex Consumption (westeurope)
  --alert-email  an address that hears of lost events
  --no-bot       makes no Azure Bot: cards come by a Workflows webhook, or not at all
  --delete       takes the group and the app registration away, decisions included, after it has asked
USAGE
}

# The name of the step, for the message if it fails.
STEP="reading the arguments"
WORK=""
DONE=""

step() {
  STEP=$1
  printf '== %s\n' "$STEP"
}

fail() {
  printf 'setup.sh: %s\n' "$1" >&2
  exit 1
}

# Also after a signal, whose status bash does not tell here.
ended() {
  [ -z "$WORK" ] || rm -rf "$WORK"
  if [ -z "$DONE" ]; then
    printf 'setup.sh: not done, it ended while %s. Later steps were not begun; run it again once that is fixed.\n' \
      "$STEP" >&2
  fi
}

# Ends if a call gave nothing where it has to give something.
need() {
  case $1 in
    "" | null) fail "Azure did not say $2" ;;
  esac
}

read_arguments() {
  REPOSITORIES="" APPROVERS="" GROUP=approve-release LOCATION=westeurope ALERT_EMAIL="" WITH_BOT=true DELETE=""
  while [ $# -gt 0 ]; do
    case $1 in
      --delete) DELETE=yes ;;
      --no-bot) WITH_BOT=false ;;
      --help | -h)
        usage
        DONE=yes
        exit 0
        ;;
      --repository | --approvers | --group | --location | --alert-email)
        case ${2-} in
          "" | -*) fail "$1 needs a value" ;;
        esac
        case $1 in
          --repository) REPOSITORIES=$2 ;;
          --approvers) APPROVERS=$2 ;;
          --group) GROUP=$2 ;;
          --location) LOCATION=$2 ;;
          --alert-email) ALERT_EMAIL=$2 ;;
        esac
        shift
        ;;
      *)
        usage >&2
        fail "$1 is no option"
        ;;
    esac
    shift
  done
  [[ $GROUP =~ ^[A-Za-z0-9_-]{1,60}$ ]] || fail "--group: letters, digits, - and _ alone, 60 at most"
  TITLE="ApproveRelease page of $GROUP"
  [ -z "$DELETE" ] || return 0
  # As ALLOWED_REPOSITORIES and APPROVERS are read: an app that cannot read them would not start.
  local name='[A-Za-z0-9._-]+(@[0-9]+)?' hex='[0-9A-Fa-f]' part='[^][:space:]*<>()["\/:;,|=+?@]+'
  local person="($part@$part|(group:)?$hex{8}(-$hex{4}){3}-$hex{12})"
  [[ $REPOSITORIES =~ ^$name/($name|\*)(,$name/($name|\*))*$ ]] ||
    fail "--repository must be OWNER/NAME, or several with commas between them"
  [[ $APPROVERS == "*" || $APPROVERS =~ ^$person(,$person)*$ ]] ||
    fail "--approvers must be user principal names, object ids or group:GUID, with commas between them"
}

check_copy() {
  local value
  for value in "$RELEASE_REPOSITORY" "$RELEASE_TAG" "$PACKAGE_SHA256"; do
    [ -n "$value" ] || fail "this is no released copy: it does not know its package. Take setup.sh of a release."
  done
}

check_tools() {
  local tool
  for tool in az curl jq sha256sum; do
    command -v "$tool" >/dev/null 2>&1 || fail "$tool is missing; Azure's Cloud Shell has it"
  done
}

fetch_release() {
  step "downloading release $RELEASE_TAG"
  local file base=https://github.com/$RELEASE_REPOSITORY/releases/download/$RELEASE_TAG
  for file in dist.zip azuredeploy.json; do
    curl --fail --silent --show-error --location --proto '=https' --max-time 300 --output "$WORK/$file" "$base/$file"
  done
  step "checking the digest of dist.zip"
  printf '%s  %s\n' "$PACKAGE_SHA256" "$WORK/dist.zip" | sha256sum --check --status ||
    fail "dist.zip is not the one that this setup.sh was released with"
  jq --exit-status --arg sum "$PACKAGE_SHA256" '.variables.packageSha256 == $sum' "$WORK/azuredeploy.json" >/dev/null ||
    fail "azuredeploy.json is of another release"
  if command -v gh >/dev/null 2>&1 && gh auth status >/dev/null 2>&1; then
    step "verifying where dist.zip was built"
    gh attestation verify "$WORK/dist.zip" --repo "$RELEASE_REPOSITORY" --source-ref "refs/tags/$RELEASE_TAG" \
      --signer-workflow "$RELEASE_REPOSITORY/.github/workflows/release.yml" >/dev/null
  else
    echo "gh is not signed in, so the digest alone was checked."
  fi
}

# Only a group that this script has made: --delete takes all of it away.
find_group() {
  step "looking for the resource group $GROUP"
  local made
  EXISTS=$(az group exists --name "$GROUP" --output tsv)
  [ "$EXISTS" = true ] || return 0
  made=$(az group show --name "$GROUP" --query "tags.\"made-by\"" --output tsv)
  [ "$made" = approve-release-setup ] || fail "the group $GROUP is not one that setup.sh made: name another with --group"
}

make_group() {
  find_group
  if [ "$EXISTS" != true ]; then
    step "making the resource group $GROUP"
    az group create --name "$GROUP" --location "$LOCATION" --tags made-by=approve-release-setup --output none
    EXISTS=true
  fi
  step "registering Azure's resource providers"
  local provider
  for provider in Microsoft.App Microsoft.Web; do
    az provider register --namespace "$provider" --wait --output none
  done
}

# Sets CLIENT to the registration of the page, if there is one: that of the group's tag, or else one of the caller's own.
# By its name alone it could be anybody's, and whoever owns it can sign in to the page as others do.
find_registration() {
  step "looking for the app registration"
  NOTED=""
  [ "$EXISTS" != true ] || NOTED=$(az group show --name "$GROUP" --query tags.page --output tsv)
  if [ -n "$NOTED" ]; then
    # It may have been deleted by hand, or by a deletion that broke off after it.
    CLIENT=$(az ad app list --filter "appId eq '$NOTED'" --query '[].appId' --output tsv)
    return 0
  fi
  CLIENT=$(az ad app list --show-mine --query "[?displayName=='$TITLE'].appId" --output tsv)
  case $CLIENT in
    *$'\n'*) fail "there are several app registrations called $TITLE: delete all but yours" ;;
  esac
}

make_registration() {
  find_registration
  if [ -z "$CLIENT" ]; then
    step "making the app registration $TITLE"
    CLIENT=$(az ad app create --display-name "$TITLE" --sign-in-audience AzureADMyOrg --enable-id-token-issuance true \
      --query appId --output tsv)
    need "$CLIENT" "the id of the app registration"
  fi
  if [ "$CLIENT" != "$NOTED" ]; then
    step "noting the app registration $CLIENT at the group"
    az group update --name "$GROUP" --set "tags.page=$CLIENT" --output none
  fi
  step "making its enterprise application"
  local principal
  principal=$(az ad sp list --filter "appId eq '$CLIENT'" --query '[].id' --output tsv)
  [ -n "$principal" ] || az ad sp create --id "$CLIENT" --output none
}

# Settings that were added by hand, in a file, since a deployment replaces all of them and some are secret.
keep_settings() {
  step "reading the settings that are there"
  local app
  app=$(az functionapp list --resource-group "$GROUP" --query '[].name' --output tsv)
  if [ -n "$app" ]; then
    az functionapp config appsettings list --name "$app" --resource-group "$GROUP" --output json >"$WORK/settings.json"
  else
    echo '[]' >"$WORK/settings.json"
  fi
}

deploy() {
  step "deploying the template, which takes some minutes"
  jq --arg repositories "$REPOSITORIES" --arg approvers "$APPROVERS" --arg client "$CLIENT" --arg email "$ALERT_EMAIL" \
    --argjson bot "$WITH_BOT" '
    def computed: startswith("AzureWebJobsStorage") or startswith("APPLICATIONINSIGHTS_") or startswith("MicrosoftApp")
      or (. as $name | ["OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID", "SIGN_IN", "ENTRA_TENANT_ID", "APPROVERS",
                        "ALLOWED_REPOSITORIES"] | index([$name]) != null);
    {repositories: $repositories, approvers: $approvers, signInClientId: $client, withBot: $bot, alertEmail: $email,
     withPackage: false,
     settings: (map(select((.name | computed | not) and (.value // "") != "") | {key: .name, value}) | from_entries)}
    | {"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#",
       contentVersion: "1.0.0.0", parameters: map_values({value: .})}' \
    "$WORK/settings.json" >"$WORK/parameters.json"
  az deployment group create --resource-group "$GROUP" --name approve-release --template-file "$WORK/azuredeploy.json" \
    --parameters "@$WORK/parameters.json" --query properties.outputs --output json >"$WORK/outputs.json"
  URL=$(jq --raw-output .url.value "$WORK/outputs.json")
  need "$URL" "the address of the app"
  APP=$(jq --raw-output .appName.value "$WORK/outputs.json")
  need "$APP" "the name of the app"
}

finish_registration() {
  step "telling the app registration the address of the app"
  local redirect tenant subject there
  redirect=$(jq --raw-output .redirectUri.value "$WORK/outputs.json")
  need "$redirect" "where sign-in leads back to"
  there=$(az ad app show --id "$CLIENT" --query "join(' ', web.redirectUris)" --output tsv)
  [ "$there" = "$redirect" ] || az ad app update --id "$CLIENT" --web-redirect-uris "$redirect" --output none

  step "letting the app's identity stand in for a client secret"
  subject=$(jq --raw-output .principalId.value "$WORK/outputs.json")
  need "$subject" "the identity of the app"
  there=$(az ad app federated-credential list --id "$CLIENT" --query "[?subject=='$subject'].name" --output tsv)
  [ -z "$there" ] || return 0
  tenant=$(az account show --query tenantId --output tsv)
  need "$tenant" "which tenant this is"
  jq --null-input --arg subject "$subject" --arg issuer "https://login.microsoftonline.com/$tenant/v2.0" \
    '{name: "approve-release-\($subject[0:8])", $issuer, $subject, audiences: ["api://AzureADTokenExchange"]}' \
    >"$WORK/credential.json"
  az ad app federated-credential create --id "$CLIENT" --parameters "@$WORK/credential.json" --output none
}

# Before the app runs: its identity's tokens are kept for a day, and an earlier one would lack the permissions.
# Only an administrator may grant them, so a refusal ends nothing. What is missing then is said at the end.
let_it_ask_about_groups() {
  NOT_GRANTED=""
  [[ ,$APPROVERS == *,group:* ]] || return 0
  step "looking whether the app may ask Microsoft Graph about groups"
  local role there
  PRINCIPAL=$(jq --raw-output .principalId.value "$WORK/outputs.json")
  need "$PRINCIPAL" "the identity of the app"
  RESOURCE=$(az ad sp show --id "$GRAPH_APP" --query id --output tsv)
  need "$RESOURCE" "which enterprise application Microsoft Graph is"
  there=$(az rest --method get --url "$GRAPH_URL/v1.0/servicePrincipals/$PRINCIPAL/appRoleAssignments" \
    --query 'value[].appRoleId' --output tsv)
  step "letting the app ask Microsoft Graph about groups"
  for role in $GRAPH_ROLES; do
    case $there in *"$role"*) continue ;; esac
    az rest --method post --url "$GRAPH_URL/v1.0/servicePrincipals/$PRINCIPAL/appRoleAssignments" \
      --headers Content-Type=application/json --body "$(role_assignment "$role")" --output none ||
      NOT_GRANTED="$NOT_GRANTED $role"
  done
}

role_assignment() {
  jq --null-input --compact-output --arg principal "$PRINCIPAL" --arg resource "$RESOURCE" --arg role "$1" \
    '{principalId: $principal, resourceId: $resource, appRoleId: $role}'
}

# From this machine, after its digest was checked. The tag says which package is there.
bring_package() {
  step "looking which package is there"
  local there
  there=$(az group show --name "$GROUP" --query 'tags.package' --output tsv)
  [ "$there" != "$PACKAGE_SHA256" ] || return 0
  step "bringing the package"
  az functionapp deployment source config-zip --resource-group "$GROUP" --name "$APP" --src "$WORK/dist.zip" --output none
  az group update --name "$GROUP" --set "tags.package=$PACKAGE_SHA256" --output none
}

wait_for_the_app() {
  step "waiting until the app answers"
  local tries=0
  until curl --silent --max-time 20 "$URL/api/RequestApproval/none" | grep --quiet '"unauthenticated"'; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || fail "$URL does not answer as ApproveRelease does: see the app's log in the portal"
    sleep 5
  done
}

# A principal as App Service Authentication writes them, of nobody: behind it anyone could be anyone.
check_sign_in() {
  step "checking that a made-up principal is not believed"
  local status principal
  principal=$(jq --null-input --raw-output --compact-output \
    '{auth_typ: "aad", claims: [{typ: "preferred_username", val: "nobody@example.com"}]} | tojson | @base64')
  status=$(curl --silent --max-time 30 --output "$WORK/answer" --write-out '%{http_code}' \
    --header 'Accept: application/json' --header "X-MS-CLIENT-PRINCIPAL: $principal" \
    --header 'X-MS-CLIENT-PRINCIPAL-ID: 00000000-0000-4000-8000-000000000000' "$URL/api/approvals")
  case $status in
    30? | 401) ;;
    *) fail "$URL/api/approvals answers $status to a made-up principal, where it has to ask for sign-in: see Authentication \
of the app in the portal, and let nobody approve before that is fixed" ;;
  esac
}

say_what_is_left() {
  cat <<LEFT

ApproveRelease $RELEASE_TAG answers at $URL

Left to do:
1. Sign in as one of the approvers: $URL/api/approvals
   If Microsoft says "Need admin approval", an administrator signs in there first and consents for the organization.
2. $(check_is_left)
3. Paste this into a job of $REPOSITORIES that comes before the deployment:

    permissions:
      id-token: write
    steps:
      - name: Ask and wait
        uses: $RELEASE_REPOSITORY/request-approval@${RELEASE_TAG%%.*}
        with:
          url: $URL
          wait: "true"

4. For cards in a channel: $(channel_is_left)
$(groups_are_left)

It costs about as much as one always-ready instance of 512 MB on Flex Consumption, at the price of the region, and a dollar
for the alerts.
bash setup.sh --delete --group $GROUP takes it away again.
LEFT
}

# The checks need a person who has signed in, or the app's own identity: this shell has neither.
check_is_left() {
  local log="the app's log has the same lines soon after each start, each with \"check NAME: STATE\"."
  case ,$APPROVERS, in
    *,\*,*) echo "See what the app lacks: $log" ;;
    *) echo "Then look at $URL/api/approvals/check, which says what the app lacks; $log" ;;
  esac
}

groups_are_left() {
  [ -n "$NOT_GRANTED" ] || return 0
  local role
  cat <<GROUPS
5. Until this is done, every vote that a group decides about is unavailable. You may not grant the app's identity its
   permissions in Microsoft Graph (GroupMember.Read.All and User.Read.All), so have a Privileged Role Administrator run:

GROUPS
  for role in $NOT_GRANTED; do
    printf "    az rest --method post --url %s \\\\\n      --headers Content-Type=application/json --body '%s'\n" \
      "$GRAPH_URL/v1.0/servicePrincipals/$PRINCIPAL/appRoleAssignments" "$(role_assignment "$role")"
  done
  printf '\n   It holds from the next token of the identity on, which can take a day.\n'
}

channel_is_left() {
  if [ "$WITH_BOT" = true ]; then
    echo "write $(jq --raw-output .botAppId.value "$WORK/outputs.json") into teams-app.zip, see infra/README.md."
  else
    echo "set TEAMS_WEBHOOK_URL, see docs/teams.md."
  fi
}

delete_all() {
  local answer=""
  find_group
  find_registration
  if [ "$EXISTS" = true ]; then
    echo "The resource group $GROUP, with all decisions, and:"
    az resource list --resource-group "$GROUP" --query '[].[type, name]' --output tsv
  fi
  [ -z "$CLIENT" ] || echo "The app registration $TITLE ($CLIENT)"
  if [ "$EXISTS" != true ] && [ -z "$CLIENT" ]; then
    echo "There is nothing to delete."
    return 0
  fi
  printf 'Delete all of it? [y/N] '
  read -r answer || true
  if [ "$answer" != y ]; then
    echo "Nothing was deleted."
    return 0
  fi
  # The group last: its tag says which registration there is.
  if [ -n "$CLIENT" ]; then
    step "deleting the app registration $CLIENT"
    az ad app delete --id "$CLIENT" --output none
  fi
  if [ "$EXISTS" = true ]; then
    step "deleting the resource group $GROUP"
    az group delete --name "$GROUP" --yes --output none
  fi
  echo "All of it is deleted."
}

main() {
  trap ended EXIT
  read_arguments "$@"
  if [ -n "$DELETE" ]; then
    check_tools
    delete_all
    DONE=yes
    return
  fi
  check_copy
  check_tools
  WORK=$(mktemp -d)
  fetch_release
  make_group
  make_registration
  keep_settings
  deploy
  finish_registration
  let_it_ask_about_groups
  bring_package
  wait_for_the_app
  check_sign_in
  say_what_is_left
  DONE=yes
}

main "$@"
