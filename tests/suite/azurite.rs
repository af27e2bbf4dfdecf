//! Azurite, Microsoft's emulator of Azure Storage: one for all tests of this process, a container for each.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Stdio},
    sync::OnceLock,
};

use crate::node_tools::{node, node_tools};

/// The storage account that the emulator plays: not the one that every emulator has.
pub const ACCOUNT: &str = "releases";

/// The account's key. The stand-in for the host searches every answer and line for it.
pub const ACCOUNT_KEY: &str = "YWNjb3VudCBrZXkgdGhhdCBub2JvZHkgbWF5IHNlZQ==";

/// The emulator, with its data in its own memory.
pub struct Azurite {
    port: u16,
    /// It ends when its input is closed: with our process, however that ends.
    _process: Child,
}

/// The emulator of this process, started when first needed.
pub fn azurite() -> &'static Azurite {
    static AZURITE: OnceLock<Azurite> = OnceLock::new();
    AZURITE.get_or_init(Azurite::start)
}

/// `AzureWebJobsStorage` for an emulator of [`ACCOUNT`] on this port.
pub fn connection_string(port: u16) -> String {
    let endpoint = endpoint(port);
    format!(
        "DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};BlobEndpoint={endpoint};"
    )
}

/// The blob endpoint of [`ACCOUNT`] on this port.
pub fn endpoint(port: u16) -> String {
    format!("http://127.0.0.1:{port}/{ACCOUNT}")
}

impl Azurite {
    fn start() -> Self {
        const RUN_UNTIL_STDIN_CLOSES: &str = r#"
            process.stdin.resume().on("end", () => process.exit());
            require(process.env.AZURITE_BLOB);"#;
        let mut child = node()
            .args(["-e", RUN_UNTIL_STDIN_CLOSES, "azurite-blob", "--blobPort", "0"])
            .args(["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"])
            .env("AZURITE_BLOB", node_tools().join("azurite/dist/src/blob/main.js"))
            .env("AZURITE_ACCOUNTS", format!("{ACCOUNT}:{ACCOUNT_KEY}"))
            .current_dir(env!("CARGO_TARGET_TMPDIR"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("npm was found, so node should be");
        let port = told_port(child.stdout.take().expect("piped"));
        Self { port, _process: child }
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

/// Reads on to the line in which the emulator says where it listens; the rest of its output is thrown away.
fn told_port(stdout: impl Read + Send + 'static) -> u16 {
    let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
    let mut said = String::new();
    let port = lines.by_ref().find_map(|line| {
        said += &format!("{line}\n");
        line.split_once("successfully listens on")?.1.rsplit(':').next()?.trim().parse().ok()
    });
    std::thread::spawn(move || lines.for_each(drop));
    port.unwrap_or_else(|| panic!("Azurite did not start:\n{said}"))
}
