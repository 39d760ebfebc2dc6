// SPDX-License-Identifier: MIT OR Apache-2.0
//! Kamailio as registrar with digest and as Record-Route proxy.

use std::process::Command;

use super::{Running, folder, free_port, have, have_file};

pub struct Kamailio {
    _running: Running,
    pub port: u16,
}

/// Where Debian puts its modules.
const MODULES: &str = "/usr/lib/x86_64-linux-gnu/kamailio/modules/";

/// The password of every user.
pub const PASSWORD: &str = "secret";

impl Kamailio {
    /// Starts it and waits until it serves; `None` when it is not installed.
    pub fn start() -> Option<Self> {
        have("kamailio").then(|| Self::serving(""))
    }

    /// The same, with WebSockets on its TCP port; `None` when the module is not installed.
    pub fn with_web_sockets() -> Option<Self> {
        let has_module = have("kamailio") && have_file(&format!("{MODULES}websocket.so"));
        has_module.then(|| Self::serving("#!define WITH_WEB_SOCKETS\n"))
    }

    fn serving(defines: &str) -> Self {
        let folder = folder("kamailio");
        let port = free_port(1);
        let path = folder.join("kamailio.cfg");
        std::fs::write(&path, config(port, defines)).unwrap();
        let mut command = Command::new("kamailio");
        command.arg("-f").arg(&path).args(["-DD", "-E", "-w"]).arg(&folder);
        command.arg("-P").arg(folder.join("pid")).arg("-Y").arg(&folder);
        let running = Running::start("kamailio", &mut command);
        running.wait_for("OFFHOOK READY");
        Self { _running: running, port }
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

fn config(port: u16, defines: &str) -> String {
    format!(
        r#"#!KAMAILIO
{defines}debug=2
log_stderror=yes
children=2
auto_aliases=no
listen=udp:127.0.0.1:{port}
listen=tcp:127.0.0.1:{port}
alias="127.0.0.1:{port}"
dns=no
rev_dns=no
disable_core_dump=yes
mpath="{MODULES}"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "xlog.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
modparam("usrloc", "db_mode", 0)
modparam("registrar", "max_contacts", 5)
modparam("rr", "enable_full_lr", 1)
modparam("auth", "nonce_expire", 60)

#!ifdef WITH_WEB_SOCKETS
tcp_accept_no_cl=yes
loadmodule "xhttp.so"
loadmodule "websocket.so"
loadmodule "nathelper.so"
modparam("registrar|nathelper", "received_avp", "$avp(received)")

event_route[xhttp:request] {{
  if ($hdr(Upgrade) =~ "websocket") {{ ws_handle_handshake(); exit; }}
  xhttp_reply("404", "Not Found", "", "");
}}
#!endif

onreply_route[ALIAS] {{
#!ifdef WITH_WEB_SOCKETS
  if (nat_uac_test(64)) add_contact_alias();
#!endif
  return(1);
}}

event_route[core:worker-one-init] {{
  xlog("L_ERR", "OFFHOOK READY\n");
}}

request_route {{
  if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
  if (is_method("OPTIONS") && uri==myself && $rU==$null) {{ sl_send_reply("200", "OK"); exit; }}
#!ifdef WITH_WEB_SOCKETS
  if (nat_uac_test(64)) {{
    force_rport();
    if (is_method("REGISTER")) fix_nated_register(); else add_contact_alias();
  }}
#!endif
  if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
  if (has_totag()) {{
    if (loose_route()) {{
#!ifdef WITH_WEB_SOCKETS
      if ($du == "") handle_ruri_alias();
#!endif
      t_on_reply("ALIAS"); t_relay(); exit;
    }}
    if (is_method("ACK")) {{ if (t_check_trans()) t_relay(); exit; }}
    sl_send_reply("404", "Not here"); exit;
  }}
  t_check_trans();
  if (is_method("REGISTER")) {{
    if (!pv_auth_check("127.0.0.1", "{PASSWORD}", "0", "1")) {{ auth_challenge("127.0.0.1", "1"); exit; }}
    consume_credentials();
    if (!save("location")) sl_reply_error();
    exit;
  }}
  if ($rU == "declines") {{ sl_send_reply("603", "Decline"); exit; }}
  if (is_method("INVITE|SUBSCRIBE")) record_route();
  if (!lookup("location")) {{ sl_send_reply("404", "Nobody registered"); exit; }}
  t_on_reply("ALIAS");
  t_relay();
}}
"#
    )
}
