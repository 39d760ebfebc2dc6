// SPDX-License-Identifier: MIT OR Apache-2.0
//! The map from TSPI to here: every function and message has its row, and every word of a row exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::limits::rust_files;

/// Where the map lies.
const MAP: &str = "docs/tspi-map.md";
/// Whose words a row may use.
const VOCABULARY: &[&str] = &["crates/spi/src", "crates/core/src"];
/// Where the tests of a row may be.
const TESTED: &[&str] = &["crates", "providers", "xtask"];
/// Shorter reasons are none.
const LEAST_REASON: usize = 20;

/// Lists every breach.
pub(crate) fn check() -> Result<Vec<String>, String> {
    let map = fs::read_to_string(MAP).map_err(|error| format!("{MAP}: {error}"))?;
    let words = Sources::read(VOCABULARY)?;
    let tests = Sources::read(TESTED)?;
    Ok(breaches(&map, &words, &tests))
}

fn breaches(map: &str, words: &Sources, tests: &Sources) -> Vec<String> {
    let mut complaints = wrong_names(map);
    for row in map.lines().filter_map(Row::read) {
        row.check(words, tests, &mut complaints);
    }
    complaints
}

/// Rows that are missing, and rows of nothing.
fn wrong_names(map: &str) -> Vec<String> {
    let expected: BTreeSet<&str> = FUNCTIONS.split_whitespace().chain(MESSAGES.split_whitespace()).collect();
    let found: BTreeSet<&str> = map.lines().filter_map(Row::read).map(|row| row.name).collect();
    let missing =
        expected.difference(&found).map(|name| format!("{MAP}: expected a row for {name}, found none"));
    let strange = found
        .difference(&expected)
        .map(|name| format!("{MAP}: {name} is neither a function nor a message of TSPI"));
    missing.chain(strange).collect()
}

/// One row: what TSPI calls it, what does its job here, who implements it, which tests prove it.
struct Row<'a> {
    name: &'a str,
    here: &'a str,
    providers: &'a str,
    proof: &'a str,
}

impl<'a> Row<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let mut cells = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim);
        let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
        let [here, providers, proof] = [cells.next()?, cells.next()?, cells.next()?];
        Some(Self { name, here, providers, proof })
    }

    fn check(&self, words: &Sources, tests: &Sources, complaints: &mut Vec<String>) {
        let name = self.name;
        for word in quoted(self.here).filter(|word| !words.has_word(word)) {
            complaints.push(format!("{MAP}: {name}: `{word}` does not exist in the contract or the core"));
        }
        if let Some(reason) = self.here.strip_prefix("no place: ") {
            if reason.len() < LEAST_REASON && reason != "obsolete" {
                complaints.push(format!("{MAP}: {name}: '{reason}' is no reason"));
            }
            return;
        }
        let is_message = !name.starts_with("TSPI_");
        if quoted(self.here).next().is_none() {
            complaints.push(format!("{MAP}: {name}: expected a word of the contract or the core"));
        }
        if is_message {
            return;
        }
        if self.providers.is_empty() {
            complaints.push(format!("{MAP}: {name}: expected the providers that implement it"));
        }
        for provider in self.providers.split(", ").filter(|it| !["rtp", "sim", "sip"].contains(it)) {
            complaints.push(format!("{MAP}: {name}: there is no provider '{provider}'"));
        }
        if quoted(self.proof).next().is_none() {
            complaints.push(format!("{MAP}: {name}: expected a test that proves it"));
        }
        for test in quoted(self.proof).filter(|test| !tests.has_function(test)) {
            complaints.push(format!("{MAP}: {name}: there is no test `{test}`"));
        }
    }
}

/// The words between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// Source text to find words in.
struct Sources(String);

impl Sources {
    fn read(folders: &[&str]) -> Result<Self, String> {
        let mut all = String::new();
        for file in folders.iter().flat_map(|folder| rust_files(Path::new(folder))) {
            all += &fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        }
        Ok(Self(all))
    }

    /// Finds `Type`, `Type::Variant`, `Type::field` or `Type::method`; a command line is no word.
    fn has_word(&self, word: &str) -> bool {
        if word.contains(' ') {
            return true;
        }
        let (kind, member) =
            word.split_once("::").map_or((word, None), |(kind, member)| (kind, Some(member)));
        let Some(member) = member else { return self.blocks(kind).next().is_some() };
        self.blocks(kind).any(|block| {
            block.lines().any(|line| {
                let line = line.trim_start();
                let line = line.strip_prefix("pub ").unwrap_or(line);
                let line = line.strip_prefix("async ").unwrap_or(line);
                let line = line.strip_prefix("fn ").unwrap_or(line);
                let rest = line.strip_prefix(member);
                rest.is_some_and(|rest| rest.starts_with([',', ':', ' ', '(', '<', '{']))
            })
        })
    }

    /// The definitions of a type and what is implemented on it.
    fn blocks(&self, kind: &str) -> impl Iterator<Item = &str> {
        ["enum ", "struct ", "trait ", "impl ", "impl<C: Send, E: Send> "].into_iter().flat_map(move |what| {
            let mut rest = self.0.as_str();
            std::iter::from_fn(move || {
                loop {
                    let at = rest.find(&format!("{what}{kind}"))?;
                    let found = &rest[at + what.len() + kind.len()..];
                    rest = found;
                    if found.starts_with([' ', '<', '(', ':', ';']) {
                        return Some(found.split("\n}").next().unwrap_or_default());
                    }
                }
            })
        })
    }

    fn has_function(&self, name: &str) -> bool {
        self.0.contains(&format!("fn {name}("))
    }
}

/// Every function of TSPI (`tspi.h`), alive or obsolete.
const FUNCTIONS: &str = "\
TSPI_providerEnumDevices TSPI_providerInit TSPI_providerShutdown TSPI_providerCreateLineDevice \
     TSPI_providerCreatePhoneDevice TSPI_providerInstall TSPI_providerRemove TSPI_providerConfig \
     TSPI_providerUIIdentify TSPI_providerGenericDialogData TSPI_providerFreeDialogInstance \
     TSPI_lineConfigDialog TSPI_lineConfigDialogEdit TSPI_phoneConfigDialog TSPI_lineNegotiateTSPIVersion \
     TSPI_lineNegotiateExtVersion TSPI_lineSelectExtVersion TSPI_lineGetExtensionID TSPI_lineGetDevCaps \
     TSPI_lineGetAddressCaps TSPI_lineGetNumAddressIDs TSPI_lineGetAddressID TSPI_lineGetDevConfig \
     TSPI_lineSetDevConfig TSPI_lineGetIcon TSPI_lineGetID TSPI_lineOpen TSPI_lineClose \
     TSPI_lineGetLineDevStatus TSPI_lineGetAddressStatus TSPI_lineSetStatusMessages \
     TSPI_lineSetDefaultMediaDetection TSPI_lineConditionalMediaDetection TSPI_lineSetLineDevStatus \
     TSPI_lineSetCurrentLocation TSPI_lineMakeCall TSPI_lineDial TSPI_lineAnswer TSPI_lineDrop \
     TSPI_lineCloseCall TSPI_lineGetCallInfo TSPI_lineGetCallStatus TSPI_lineGetCallAddressID \
     TSPI_lineSetAppSpecific TSPI_lineDropOnClose TSPI_lineDropNoOwner TSPI_lineAccept TSPI_lineRedirect \
     TSPI_lineHold TSPI_lineUnhold TSPI_lineSwapHold TSPI_lineSetupTransfer TSPI_lineCompleteTransfer \
     TSPI_lineBlindTransfer TSPI_lineSetupConference TSPI_linePrepareAddToConference \
     TSPI_lineAddToConference TSPI_lineRemoveFromConference TSPI_linePark TSPI_lineUnpark TSPI_linePickup \
     TSPI_lineForward TSPI_lineCompleteCall TSPI_lineUncompleteCall TSPI_lineSecureCall \
     TSPI_lineSendUserUserInfo TSPI_lineReleaseUserUserInfo TSPI_lineSetTerminal TSPI_lineMonitorDigits \
     TSPI_lineMonitorMedia TSPI_lineMonitorTones TSPI_lineGatherDigits TSPI_lineGenerateDigits \
     TSPI_lineGenerateTone TSPI_lineSetMediaControl TSPI_lineSetMediaMode TSPI_lineSetCallParams \
     TSPI_lineSetCallData TSPI_lineSetCallTreatment TSPI_lineSetCallQualityOfService TSPI_lineMSPIdentify \
     TSPI_lineCreateMSPInstance TSPI_lineCloseMSPInstance TSPI_lineReceiveMSPData TSPI_lineGetCallIDs \
     TSPI_lineGetCallHubTracking TSPI_lineSetCallHubTracking TSPI_lineDevSpecific \
     TSPI_lineDevSpecificFeature TSPI_phoneNegotiateTSPIVersion TSPI_phoneNegotiateExtVersion \
     TSPI_phoneSelectExtVersion TSPI_phoneGetExtensionID TSPI_phoneGetDevCaps TSPI_phoneGetIcon \
     TSPI_phoneGetID TSPI_phoneOpen TSPI_phoneClose TSPI_phoneGetStatus TSPI_phoneSetStatusMessages \
     TSPI_phoneGetHookSwitch TSPI_phoneSetHookSwitch TSPI_phoneGetVolume TSPI_phoneSetVolume \
     TSPI_phoneGetGain TSPI_phoneSetGain TSPI_phoneGetRing TSPI_phoneSetRing TSPI_phoneGetDisplay \
     TSPI_phoneSetDisplay TSPI_phoneGetLamp TSPI_phoneSetLamp TSPI_phoneGetButtonInfo \
     TSPI_phoneSetButtonInfo TSPI_phoneGetData TSPI_phoneSetData TSPI_phoneDevSpecific";

/// Every message that a provider or the server sends (`tapi.h`, `tspi.h`).
const MESSAGES: &str = "\
LINE_ADDRESSSTATE LINE_CALLINFO LINE_CALLSTATE LINE_CLOSE LINE_DEVSPECIFIC LINE_DEVSPECIFICFEATURE \
     LINE_DEVSPECIFICEX LINE_CALLDEVSPECIFIC LINE_CALLDEVSPECIFICFEATURE LINE_GATHERDIGITS LINE_GENERATE \
     LINE_LINEDEVSTATE LINE_MONITORDIGITS LINE_MONITORMEDIA LINE_MONITORTONE LINE_REPLY LINE_REQUEST \
     PHONE_BUTTON PHONE_CLOSE PHONE_DEVSPECIFIC PHONE_REPLY PHONE_STATE LINE_CREATE PHONE_CREATE \
     LINE_REMOVE PHONE_REMOVE LINE_AGENTSPECIFIC LINE_AGENTSTATUS LINE_PROXYREQUEST \
     LINE_AGENTSESSIONSTATUS LINE_QUEUESTATUS LINE_AGENTSTATUSEX LINE_GROUPSTATUS LINE_PROXYSTATUS \
     LINE_APPNEWCALL LINE_APPNEWCALLHUB LINE_CALLHUBCLOSE LINE_NEWCALL LINE_CREATEDIALOGINSTANCE \
     LINE_SENDDIALOGINSTANCEDATA LINE_SENDMSPDATA LINE_QOSINFO TAPI_REPLY";

#[cfg(test)]
mod tests {
    use super::*;

    fn from_the_root() -> (String, Sources, Sources) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
        let read = |folders: &[&str]| {
            let folders: Vec<String> = folders.iter().map(|it| root.join(it).display().to_string()).collect();
            let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
            Sources::read(&folders).expect("sources")
        };
        let map = fs::read_to_string(root.join(MAP)).expect("the map");
        (map, read(VOCABULARY), read(TESTED))
    }

    #[test]
    fn every_function_and_message_has_a_true_row() {
        assert_eq!(FUNCTIONS.split_whitespace().count(), 117);
        let (map, words, tests) = from_the_root();
        assert_eq!(breaches(&map, &words, &tests), Vec::<String>::new());
    }

    #[test]
    fn a_row_that_is_missing_is_named() {
        let (map, _, _) = from_the_root();
        for name in FUNCTIONS.split_whitespace().chain(MESSAGES.split_whitespace()) {
            let row = format!("| `{name}` |");
            let without: Vec<&str> = map.lines().filter(|line| !line.starts_with(&row)).collect();
            assert_eq!(
                wrong_names(&without.join("\n")),
                [format!("{MAP}: expected a row for {name}, found none")]
            );
        }
    }

    #[test]
    fn words_and_tests_that_do_not_exist_are_named() {
        let (map, words, tests) = from_the_root();
        for (from, to, complaint) in [
            ("`CallOp::Hold`", "`CallOp::Freeze`", "`CallOp::Freeze` does not exist"),
            ("`CallOp::Hold`", "hold", "expected a word of the contract"),
            ("sim, sip", "sim, pigeon", "there is no provider 'pigeon'"),
            ("no place: pictures belong to the application", "no place: why", "'why' is no reason"),
        ] {
            let wrong = map.replacen(from, to, 1);
            let complaints = breaches(&wrong, &words, &tests).join("\n");
            assert!(complaints.contains(complaint), "{complaint}: {complaints}");
        }
    }
}
