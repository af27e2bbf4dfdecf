//! The place where decisions live: `STORE_URL`, and the storage account that the Functions host has anyway.
//!
//! The account is described as the host itself understands it, by a connection string or by an identity:
//! <https://learn.microsoft.com/azure/azure-functions/functions-reference#configure-an-identity-based-connection>.

use std::{collections::BTreeMap, path::PathBuf};

use etcetera::BaseStrategy;
use secrecy::SecretString;
use url::Url;

use super::reader::{Reader, safe_url};
use crate::{
    approval::Guid,
    ledger::{Container, Credential, Location},
};

/// The connection string, and the stem of the settings of an identity-based connection.
const STORAGE: &str = "AzureWebJobsStorage";

/// Any of these says that there is a storage account.
const ACCOUNT_SETTINGS: [&str; 5] = [
    STORAGE,
    "AzureWebJobsStorage__accountName",
    "AzureWebJobsStorage__blobServiceUri",
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__clientId",
];

/// The container if `STORE_URL` names none.
const CONTAINER: &str = "approvals";

/// The account of a storage emulator, which everybody knows:
/// <https://learn.microsoft.com/azure/storage/common/storage-use-azurite#well-known-storage-account-and-key>.
const EMULATOR: &str = "devstoreaccount1";

/// Its key, which everybody knows, too.
const EMULATOR_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Reads the place where decisions live.
pub fn location(reader: &mut Reader<'_>) -> Location {
    let expected = "memory:, file:, file:///an/absolute/path or az://container";
    let chosen = reader.parse("STORE_URL", expected, |text| Some(text.to_owned()));
    let has_account = ACCOUNT_SETTINGS.iter().any(|name| reader.text(name).is_some());
    let chosen = match chosen {
        Some(chosen) => chosen,
        None if has_account => format!("az://{CONTAINER}"),
        None => "file:".to_owned(),
    };
    let located = match chosen.split_once(':') {
        Some(("memory", "")) => Some(Location::Memory),
        Some(("file", "")) => return data_folder(reader),
        Some(("file", _)) => folder(&chosen).map(Location::Folder),
        Some(("az", name)) => match name.strip_prefix("//").filter(|name| is_container_name(name)) {
            Some(name) => return azure(reader, name),
            None => None,
        },
        _ => None,
    };
    located.unwrap_or_else(|| {
        reader.unusable.push(format!("STORE_URL must be {expected}"));
        Location::Memory
    })
}

fn folder(url: &str) -> Option<PathBuf> {
    let path = url.starts_with("file:///").then(|| Url::parse(url).ok()?.to_file_path().ok())??;
    path.parent().is_some().then_some(path)
}

fn data_folder(reader: &mut Reader<'_>) -> Location {
    match etcetera::choose_base_strategy() {
        Ok(folders) => Location::Folder(folders.data_dir().join("approve-release")),
        Err(_) => {
            reader
                .unusable
                .push("STORE_URL must name a folder (file:///…): this user has no home".to_owned());
            Location::Memory
        }
    }
}

/// <https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata>
fn is_container_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (3..=63).contains(&name.len())
        && name.bytes().all(allowed)
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--")
}

fn azure(reader: &mut Reader<'_>, name: &str) -> Location {
    let expected = "UseDevelopmentStorage=true, or a connection string with AccountName and AccountKey";
    let by_key = reader.parse(STORAGE, expected, account_by_key);
    let account = match by_key {
        Some(account) => Some(account),
        None if reader.text(STORAGE).is_none() => account_by_identity(reader),
        None => None,
    };
    match account {
        Some(Account { name: account, endpoint, credential }) => {
            Location::Azure(Box::new(Container { name: name.to_owned(), account, endpoint, credential }))
        }
        None => Location::Memory,
    }
}

/// A storage account, and the way into it.
struct Account {
    name: String,
    endpoint: Url,
    credential: Credential,
}

fn account_by_key(connection_string: &str) -> Option<Account> {
    let parts: BTreeMap<String, &str> = connection_string
        .split(';')
        .filter(|part| !part.trim().is_empty())
        .map(|part| part.split_once('=').map(|(key, value)| (key.trim().to_ascii_lowercase(), value.trim())))
        .collect::<Option<_>>()?;
    let part = |name: &str| parts.get(name).copied();
    if part("developmentstorageproxyuri").is_some() {
        return None;
    }
    if part("usedevelopmentstorage").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        let endpoint = safe_url(&format!("http://127.0.0.1:10000/{EMULATOR}"))?;
        let credential = Credential::AccessKey(EMULATOR_KEY.into());
        return Some(Account { name: EMULATOR.to_owned(), endpoint, credential });
    }
    let account = part("accountname")?;
    let protocol = part("defaultendpointsprotocol").unwrap_or("https");
    let suffix = part("endpointsuffix").unwrap_or("core.windows.net");
    let endpoint = match part("blobendpoint") {
        Some(endpoint) => safe_url(endpoint)?,
        None => safe_url(&format!("{protocol}://{account}.blob.{suffix}"))?,
    };
    let credential = Credential::AccessKey(SecretString::from(part("accountkey")?));
    Some(Account { name: account.to_owned(), endpoint, credential })
}

fn account_by_identity(reader: &mut Reader<'_>) -> Option<Account> {
    let before = reader.unusable.len();
    let name = reader.parse("AzureWebJobsStorage__accountName", "a storage account's name", account_name);
    let uri = reader.url("AzureWebJobsStorage__blobServiceUri");
    let is_identity = |text: &str| text.eq_ignore_ascii_case("managedidentity").then_some(());
    reader.parse("AzureWebJobsStorage__credential", "managedidentity", is_identity);
    let client_id = reader.parse("AzureWebJobsStorage__clientId", "a GUID", Guid::parse);
    let endpoint = reader.parse("IDENTITY_ENDPOINT", "a URL", |text| Url::parse(text).ok());
    let from_name = || safe_url(&format!("https://{}.blob.core.windows.net", name.as_ref()?));
    let uri = uri.or_else(from_name);
    let account = name.clone().or_else(|| account_name(uri.as_ref()?.host_str()?.split('.').next()?));
    if uri.is_none() && reader.unusable.len() == before {
        reader.unusable.push(format!("{STORAGE} must say which storage account STORE_URL means"));
    }
    if account.is_none() && reader.unusable.len() == before {
        reader
            .unusable
            .push("AzureWebJobsStorage__accountName must be set, since the URI does not say it".to_owned());
    }
    let credential = Credential::ManagedIdentity { client_id: client_id.map(|id| id.to_string()), endpoint };
    Some(Account { name: account?, endpoint: uri?, credential })
}

fn account_name(text: &str) -> Option<String> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    ((3..=24).contains(&text.len()) && text.bytes().all(allowed)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::config::{Config, Unusable};

    fn located(settings: &[(&str, &str)]) -> Result<Location, Unusable> {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::parse(&settings.collect()).map(|config| config.store)
    }

    fn container(settings: &[(&str, &str)]) -> Container {
        match located(settings).expect("a location") {
            Location::Azure(container) => *container,
            other => panic!("not in Azure: {other:?}"),
        }
    }

    #[test]
    fn folders_and_memory_are_named_by_their_urls() {
        assert!(matches!(located(&[("STORE_URL", "memory:")]), Ok(Location::Memory)));
        let Ok(Location::Folder(path)) = located(&[("STORE_URL", "file:///var/lib/x%20y")]) else { panic!() };
        assert_eq!(path, PathBuf::from("/var/lib/x y"));
        let Ok(Location::Folder(path)) = located(&[]) else { panic!() };
        assert!(path.ends_with("approve-release"), "{path:?}");
    }

    #[test]
    fn an_account_of_the_host_is_used_unless_told_otherwise() {
        let ours = container(&[(
            STORAGE,
            "AccountName=acct;AccountKey=a2V5==;EndpointSuffix=core.chinacloudapi.cn",
        )]);
        assert_eq!((ours.name.as_str(), ours.account.as_str()), ("approvals", "acct"));
        assert_eq!(ours.endpoint.as_str(), "https://acct.blob.core.chinacloudapi.cn/");
        let Credential::AccessKey(key) = ours.credential else { panic!("no key") };
        assert_eq!(key.expose_secret(), "a2V5==");
        let local = container(&[(STORAGE, "UseDevelopmentStorage=true"), ("STORE_URL", "az://mine")]);
        assert_eq!(local.endpoint.as_str(), "http://127.0.0.1:10000/devstoreaccount1");
        assert_eq!(local.name, "mine");
    }

    #[test]
    fn an_identity_needs_an_account_only() {
        let by_name = container(&[("AzureWebJobsStorage__accountName", "acct")]);
        assert_eq!(by_name.endpoint.as_str(), "https://acct.blob.core.windows.net/");
        let by_uri = container(&[
            ("AzureWebJobsStorage__blobServiceUri", "https://acct.blob.core.usgovcloudapi.net"),
            ("AzureWebJobsStorage__credential", "managedidentity"),
            ("AzureWebJobsStorage__clientId", "0A0B0C0D-0000-0000-0000-000000000001"),
            ("IDENTITY_ENDPOINT", "http://169.254.129.2:8081/msi/token"),
        ]);
        assert_eq!(by_uri.account, "acct");
        let Credential::ManagedIdentity { client_id, endpoint } = by_uri.credential else {
            panic!("no identity")
        };
        assert_eq!(client_id.as_deref(), Some("0a0b0c0d-0000-0000-0000-000000000001"));
        assert_eq!(endpoint.expect("an endpoint").path(), "/msi/token");
    }

    #[test]
    fn an_unusable_place_is_named() {
        for store in [
            "memory:x",
            "file:x",
            "file://host/x",
            "file:///",
            "az://",
            "az://A",
            "az://a--b",
            "az:approvals",
            "s3://x",
            "x",
        ] {
            let unusable = located(&[("STORE_URL", store), (STORAGE, "UseDevelopmentStorage=true")]);
            assert!(unusable.expect_err(store).to_string().contains("STORE_URL"), "{store}");
        }
        for (name, value) in [
            (STORAGE, "AccountName=acct"),
            (STORAGE, "hunter2"),
            (STORAGE, "UseDevelopmentStorage=true;DevelopmentStorageProxyUri=http://hunter2"),
            ("AzureWebJobsStorage__blobServiceUri", "https://my-store.example.com"),
            (STORAGE, "AccountName=acct;AccountKey=a2V5;DefaultEndpointsProtocol=http"),
            ("AzureWebJobsStorage__credential", "password"),
            ("AzureWebJobsStorage__clientId", "hunter2"),
        ] {
            let unusable = located(&[(name, value)]).expect_err(value).to_string();
            assert!(unusable.contains("AzureWebJobsStorage") && !unusable.contains("hunter2"), "{unusable}");
        }
        assert!(located(&[("STORE_URL", "az://approvals")]).is_err());
    }
}
