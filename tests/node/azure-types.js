// Writes tests/azure-types.json again: the properties that Azure's resources of infra/azuredeploy.json may have, by
// Microsoft's own types for Bicep (github.com/Azure/bicep-types-az, MIT). They come with a package of 58 MB, which is why
// their extract is kept here instead:
//
//   npm install --no-save --prefix "$(mktemp -d)" @azure/mcp-linux-x64@2.0.5
//   node tests/node/azure-types.js THAT_FOLDER/node_modules/@azure/mcp-linux-x64/dist/azmcp
//
// Read-only properties are left out; "!" marks the required ones, and "*" is any other name.

const { execFileSync } = require("child_process");
const { writeFileSync } = require("fs");
const path = require("path");

const TYPES = [
  "Microsoft.Authorization/roleAssignments",
  "Microsoft.BotService/botServices",
  "Microsoft.BotService/botServices/channels",
  "Microsoft.Insights/components",
  "Microsoft.ManagedIdentity/userAssignedIdentities",
  "Microsoft.OperationalInsights/workspaces",
  "Microsoft.Storage/storageAccounts",
  "Microsoft.Storage/storageAccounts/blobServices",
  "Microsoft.Storage/storageAccounts/blobServices/containers",
  "Microsoft.Web/serverfarms",
  "Microsoft.Web/sites",
  "Microsoft.Web/sites/basicPublishingCredentialsPolicies",
  "Microsoft.Web/sites/config",
  "Microsoft.Web/sites/extensions",
];

// The package lacks these two, and one member of a third; they are from the reference of templates on Microsoft Learn.
const BY_HAND = {
  "Microsoft.Insights/actionGroups@2023-01-01": {
    "": { "location!": "string", "name!": "string", properties: "ActionGroup", tags: "Tags" },
    ActionGroup: { "groupShortName!": "string", "enabled!": "bool", emailReceivers: "EmailReceiver[]" },
    EmailReceiver: { "name!": "string", "emailAddress!": "string", useCommonAlertSchema: "bool" },
  },
  "Microsoft.Insights/scheduledQueryRules@2023-12-01": {
    "": { kind: "LogAlert | LogToMetric", "location!": "string", "name!": "string", "properties!": "Rule", tags: "Tags" },
    Rule: {
      actions: "Actions", autoMitigate: "bool", "criteria!": "Criteria", description: "string", displayName: "string",
      "enabled!": "bool", evaluationFrequency: "string", muteActionsDuration: "string", overrideQueryTimeRange: "string",
      "scopes!": "string[]", severity: "int", skipQueryValidation: "bool", targetResourceTypes: "string[]", windowSize: "string",
    },
    Actions: { actionGroups: "string[]" },
    Criteria: { "allOf!": "Condition[]" },
    Condition: {
      failingPeriods: "FailingPeriods", metricMeasureColumn: "string", "query!": "string",
      "operator!": "Equals | GreaterThan | GreaterThanOrEqual | LessThan | LessThanOrEqual", resourceIdColumn: "string",
      "threshold!": "int", "timeAggregation!": "Average | Count | Maximum | Minimum | Total",
    },
    FailingPeriods: { minFailingPeriodsToAlert: "int", numberOfEvaluationPeriods: "int" },
  },
};
const ONEDEPLOY = { "packageUri!": "string", remoteBuild: "bool", type: "string" };

function described(azmcp, type) {
  const environment = { ...process.env, AZURE_MCP_COLLECT_TELEMETRY: "false", DOTNET_SYSTEM_GLOBALIZATION_INVARIANT: "1" };
  const options = { env: environment, maxBuffer: 1e8, stdio: ["ignore", "pipe", "ignore"] };
  return JSON.parse(execFileSync(azmcp, ["bicepschema", "get", "--resource-type", type], options)).results.BicepSchemaResult;
}

function extract([resource, ...others]) {
  const named = new Map(others.filter((type) => type.name).map((type) => [type.name, type]));
  const kept = {};
  const keep = (name) => {
    const element = name.replace(/(\[\])+$/, "");
    if (element in kept || !named.has(element)) return;
    kept[element] = {};
    kept[element] = shape(named.get(element));
  };
  const members = (properties) => {
    const settable = properties.filter(({ flags }) => !/ReadOnly/.test(flags ?? ""));
    settable.forEach(({ type }) => keep(type));
    return Object.fromEntries(
      settable.map(({ name, type, flags }) => [name + (/Required/.test(flags ?? "") ? "!" : ""), type]));
  };
  const shape = (type) => {
    if (type.$type === "DiscriminatedObject") {
      const variant = ({ properties }) => [
        properties.find(({ name }) => name === type.discriminator).type,
        members([...type.baseProperties, ...properties]),
      ];
      return { by: type.discriminator, variants: Object.fromEntries(type.elements.map(variant)) };
    }
    const any = type.additionalPropertiesType;
    if (any) keep(any);
    return { ...members(type.properties), ...(any && { "*": any }) };
  };
  return { "": shape(resource.bodyType), ...kept };
}

const azmcp = process.argv[2];
const all = { ...BY_HAND };
for (const type of TYPES) {
  const description = described(azmcp, type);
  all[description[0].name] = extract(description);
}
const extensions = all[Object.keys(all).find((name) => name.startsWith("Microsoft.Web/sites/extensions@"))];
extensions[""].variants.onedeploy.properties = "OneDeploy";
extensions.OneDeploy = ONEDEPLOY;

const lines = Object.keys(all).sort().map((name) => {
  const types = Object.entries(all[name]).map(([type, members]) => `    ${JSON.stringify(type)}: ${JSON.stringify(members)}`);
  return `  ${JSON.stringify(name)}: {\n${types.join(",\n")}\n  }`;
});
writeFileSync(path.join(__dirname, "..", "azure-types.json"), `{\n${lines.join(",\n")}\n}\n`);
