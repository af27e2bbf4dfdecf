// A deployment of ApproveRelease in a resource group: the function app, the two accounts that it stores things in, the
// identity that it acts as, its log with two alerts, the sign-in of its page and the bot. There is no account key.
//
// azuredeploy.json says the same for those who have no Bicep. A test holds the two together, so change both.
targetScope = 'resourceGroup'

@description('How the names of all resources begin.')
@minLength(3)
@maxLength(24)
param name string = 'approve-release'

@description('A region with Flex Consumption: az functionapp list-flexconsumption-locations.')
param location string = resourceGroup().location

@description('Comma list of the repositories that may ask: octo/app, or octo/*.')
param repositories string

@description('Comma list of those who may decide: user principal names, Entra object ids, or group:GUID.')
param approvers string

@description('The token that sends events to GitHub. Leave it out if the waiting jobs read the decision.')
@secure()
param githubToken string = ''

@description('Client id of the app registration for the page. Without one nobody can sign in to it yet.')
param signInClientId string = ''

@description('Makes an Azure Bot with its Teams channel.')
param withBot bool = true

@description('The channel that the bot posts to, 19:…@thread.tacv2. The bot names it once it is in the team.')
param teamsChannelId string = ''

@description('Further settings of the program, by name. A deployment removes all that neither this nor the template names.')
@secure()
param settings object = {}

@description('Instances that are kept running for HTTP, and are billed for it. With 0 a first click can wait half a minute.')
@minValue(0)
@maxValue(20)
param alwaysReady int = 1

@description('An address that gets the alerts. Without one they show in the portal alone.')
param alertEmail string = ''

@description('The https address of a dist.zip. A released template knows its own; empty in any other: no package yet.')
param packageUri string = ''

@description('Brings the package as well. false: something else brings it, as setup.sh does.')
param withPackage bool = true

// A release writes these three into its azuredeploy.json.
var releaseRepository = ''
var releaseTag = ''
var packageSha256 = ''

var releasedPackage = empty(releaseTag) ? '' : 'https://github.com/${releaseRepository}/releases/download/${releaseTag}/dist.zip'
var package = empty(packageUri) ? releasedPackage : packageUri

var unique = uniqueString(resourceGroup().id, name)
var appName = '${name}-${take(unique, 6)}'
var decisionsName = 'decisions${unique}'
var packagesName = 'packages${unique}'
var packageContainer = 'app-package'

var storageBlobDataOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
var monitoringMetricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${appName}'
  location: location
}

// The decisions, and what the Functions host itself keeps.
resource decisions 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: decisionsName
  location: location
  kind: 'StorageV2'
  sku: {
    name: 'Standard_LRS'
  }
  properties: {
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }
}

// The package: whoever may publish a new one gets no access to decisions by that.
resource packages 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: packagesName
  location: location
  kind: 'StorageV2'
  sku: {
    name: 'Standard_LRS'
  }
  properties: {
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }
}

resource packageBlobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' = {
  parent: packages
  name: 'default'
}

resource packageFolder 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = {
  parent: packageBlobs
  name: packageContainer
  properties: {
    publicAccess: 'None'
  }
}

resource mayDecide 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: decisions
  name: guid(decisions.id, identity.id, storageBlobDataOwner)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataOwner)
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource mayPublish 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: packages
  name: guid(packages.id, identity.id, storageBlobDataOwner)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataOwner)
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource logs 'Microsoft.OperationalInsights/workspaces@2025-02-01' = {
  name: 'log-${appName}'
  location: location
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: 30
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-${appName}'
  location: location
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: logs.id
    DisableLocalAuth: true
  }
}

resource mayReport 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: insights
  name: guid(insights.id, identity.id, monitoringMetricsPublisher)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', monitoringMetricsPublisher)
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource operators 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(alertEmail)) {
  name: 'ag-${appName}'
  location: 'global'
  properties: {
    groupShortName: 'approvals'
    enabled: true
    emailReceivers: [
      {
        name: 'operators'
        emailAddress: alertEmail
        useCommonAlertSchema: true
      }
    ]
  }
}

resource deadLetters 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: 'dead-letters-${appName}'
  location: location
  kind: 'LogAlert'
  properties: {
    displayName: 'ApproveRelease gave up an event or a card'
    description: 'A decision did not reach GitHub, or a card its channel, and nothing sends it again by itself. See Dead letters in docs/operations.md.'
    severity: 2
    enabled: true
    scopes: [
      insights.id
    ]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT15M'
    criteria: {
      allOf: [
        {
          query: 'traces | where message contains "given up (" or message contains "found a fault in the event"'
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
        }
      ]
    }
    autoMitigate: true
    skipQueryValidation: true
    actions: {
      actionGroups: empty(alertEmail) ? [] : [operators.id]
    }
  }
}

resource silentTimer 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: 'silent-timer-${appName}'
  location: location
  kind: 'LogAlert'
  properties: {
    displayName: 'ApproveRelease does not look through what waits'
    description: 'The timer Deliver, which runs every minute, has not run for half an hour. Restart the app. See The schedule in docs/operations.md.'
    severity: 2
    enabled: true
    scopes: [
      insights.id
    ]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT30M'
    criteria: {
      allOf: [
        {
          query: 'requests | where name == "Deliver"'
          timeAggregation: 'Count'
          operator: 'LessThan'
          threshold: 1
        }
      ]
    }
    autoMitigate: true
    skipQueryValidation: true
    actions: {
      actionGroups: empty(alertEmail) ? [] : [operators.id]
    }
  }
}

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  name: 'plan-${appName}'
  location: location
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2024-11-01' = {
  name: appName
  location: location
  kind: 'functionapp,linux'
  tags: {
    'azd-service-name': 'app'
  }
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    autoGeneratedDomainNameLabelScope: 'TenantReuse'
    functionAppConfig: {
      runtime: {
        name: 'custom'
        version: '1.0'
      }
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${packages.properties.primaryEndpoints.blob}${packageContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.id
          }
        }
      }
      scaleAndConcurrency: {
        maximumInstanceCount: 40
        instanceMemoryMB: 512
        alwaysReady: alwaysReady == 0 ? [] : [
          {
            name: 'http'
            instanceCount: alwaysReady
          }
        ]
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
    }
  }
  dependsOn: [
    packageFolder
    mayDecide
    mayPublish
    mayReport
  ]
}

resource noFtpPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: app
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource noScmPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
}

// Requests without a session are let through: jobs, Teams and Outlook bring tokens of their own, on the excluded paths,
// and the page leads to sign-in itself. The managed identity stands in for a client secret.
resource signIn 'Microsoft.Web/sites/config@2024-11-01' = if (!empty(signInClientId)) {
  parent: app
  name: 'authsettingsV2'
  properties: {
    platform: {
      enabled: true
    }
    globalValidation: {
      requireAuthentication: false
      unauthenticatedClientAction: 'AllowAnonymous'
      excludedPaths: [
        '/api/RequestApproval'
        '/api/RequestApproval/*'
        '/api/messages'
        '/api/messages/*'
        '/api/ApproveRelease'
        '/api/ApproveRelease/*'
      ]
    }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          clientId: signInClientId
          clientSecretSettingName: 'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID'
          openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
        }
        validation: {
          defaultAuthorizationPolicy: {
            allowedApplications: [
              signInClientId
            ]
          }
        }
      }
    }
    login: {
      tokenStore: {
        enabled: false
      }
    }
  }
}

// After the sign-in: SIGN_IN has the program believe a header, which is anybody's until the platform looks at it.
resource appSettings 'Microsoft.Web/sites/config@2024-11-01' = {
  parent: app
  name: 'appsettings'
  properties: union({
    AzureWebJobsStorage__accountName: decisions.name
    AzureWebJobsStorage__credential: 'managedidentity'
    AzureWebJobsStorage__clientId: identity.properties.clientId
    APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.properties.clientId};Authorization=AAD'
    OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID: identity.properties.clientId
    SIGN_IN: empty(signInClientId) ? '' : 'platform'
    ENTRA_TENANT_ID: tenant().tenantId
    APPROVERS: approvers
    ALLOWED_REPOSITORIES: repositories
    GITHUB_TOKEN: githubToken
    MicrosoftAppId: withBot ? identity.properties.clientId : ''
    MicrosoftAppTenantId: withBot ? tenant().tenantId : ''
    TEAMS_CHANNEL_ID: withBot ? teamsChannelId : ''
  }, settings)
  dependsOn: [
    signIn
  ]
}

// Last, so that no package runs before its settings are there.
resource code 'Microsoft.Web/sites/extensions@2024-11-01' = if (withPackage && !empty(package)) {
  parent: app
  name: 'onedeploy'
  #disable-next-line BCP187
  properties: {
    packageUri: package
    remoteBuild: false
  }
  dependsOn: [
    appSettings
  ]
}

resource bot 'Microsoft.BotService/botServices@2022-09-15' = if (withBot) {
  name: 'bot-${appName}'
  location: 'global'
  kind: 'azurebot'
  sku: {
    name: 'F0'
  }
  properties: {
    displayName: 'ApproveRelease'
    endpoint: 'https://${app.properties.defaultHostName}/api/messages'
    msaAppType: 'UserAssignedMSI'
    msaAppId: identity.properties.clientId
    msaAppTenantId: tenant().tenantId
    msaAppMSIResourceId: identity.id
    disableLocalAuth: true
  }
}

resource teams 'Microsoft.BotService/botServices/channels@2022-09-15' = if (withBot) {
  parent: bot
  name: 'MsTeamsChannel'
  location: 'global'
  properties: {
    channelName: 'MsTeamsChannel'
    properties: {
      isEnabled: true
      acceptedTerms: true
    }
  }
}

@description('The address to write into workflows.')
output url string = 'https://${app.properties.defaultHostName}'

output appName string = app.name

@description('For the app registration of the page: where sign-in leads back to.')
output redirectUri string = 'https://${app.properties.defaultHostName}/.auth/login/aad/callback'

@description('For its federated credential: the subject.')
output principalId string = identity.properties.principalId

@description('The bot, for the app package of Teams.')
output botAppId string = withBot ? identity.properties.clientId : ''

output decisionsAccount string = decisions.name

@description('The package that was deployed; empty if there was none.')
output package string = package

@description('The SHA-256 of the package of this release; empty in a template that no release wrote.')
output packageSha256 string = packageSha256
