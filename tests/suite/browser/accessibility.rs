//! The obstacles to using a page, as far as a program can see them: the rules of axe-core for WCAG 2.2, levels A and
//! AA, and its good practices.

use std::fs;

use super::{Browser, worked};
use crate::node_tools::node_tools;

/// Runs the rules; gives a line for each place that breaks one.
const RUN_AXE: &str = r#"
    const done = arguments[arguments.length - 1];
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
    const places = (rule) => rule.nodes.map((node) => `${rule.id}: ${rule.help}: ${node.html}`);
    axe.run(document, { runOnly: { type: "tag", values: tags } }).then(
        (results) => done(results.violations.flatMap(places)),
        (error) => done([`axe-core failed: ${error}`]));"#;

impl Browser {
    /// Everything on the page that breaks a rule, as it is shown now; in the dark it may be something else.
    pub async fn accessibility_violations(&self) -> Vec<String> {
        let axe = node_tools().join("axe-core/axe.min.js");
        let axe = fs::read_to_string(axe).expect("npm installed it");
        self.script(&axe, vec![]).await;
        let violations = worked("run axe-core", self.session.execute_async(RUN_AXE, vec![]).await);
        worked("read what axe-core found", violations.convert())
    }
}
