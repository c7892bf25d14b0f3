//! Rulesets as they are met, and what is made of them.

use std::process::Command as Process;
use std::sync::Arc;
use std::time::Instant;

use hitotsu_model::posture::{ClaimValue, Source};

use super::*;
use crate::platform::linux::fixture::{Fixture, assert_unknown, this_machine};
use crate::posture::{Collectors, Watch};

const LIST: &str = "nft --json list ruleset";
const ROOT: &str = "CapEff:\t000001ffffffffff\n";
const NOBODY: &str = "CapEff:\t0000000000000000\n";

fn root() -> Fixture {
    Fixture::new()
        .file("/proc/thread-self/status", ROOT)
        .file("/proc/thread-self/net/dev", " h\n h\n    lo: 1 2\n  eth0: 1 2\n")
        .file("/proc/thread-self/net/if_inet6", "fe80 02 40 20 80 eth0\n")
}

/// A table `inet filter` whose chain `input` has these rules.
fn table(policy: &str, rules: &[&str]) -> String {
    let rule =
        |expr: &&str| format!(r#"{{"rule":{{"family":"inet","table":"filter","chain":"input","expr":[{expr}]}}}}"#);
    let rules: Vec<String> = rules.iter().map(rule).collect();
    format!(
        r#"{{"nftables":[{{"metainfo":{{}}}},{{"chain":{{"family":"inet","table":"filter","name":"input",
        "type":"filter","hook":"input","prio":0,"policy":"{policy}"}}}}{}{}]}}"#,
        if rules.is_empty() { "" } else { "," },
        rules.join(",")
    )
}

fn with_rules(policy: &str, rules: &[&str]) -> Fixture {
    root().answers(LIST, &table(policy, rules))
}

fn on(machine: &Fixture) -> ClaimValue {
    machine.value(&Firewall, ClaimName::FirewallOn)
}

const ANSWERS: &str =
    r#"{"match":{"op":"in","left":{"ct":{"key":"state"}},"right":["established","related"]}},{"accept":null}"#;
const LOOPBACK: &str = r#"{"match":{"op":"==","left":{"meta":{"key":"iifname"}},"right":"lo"}},{"accept":null}"#;
const SSH: &str = r#"{"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":{"set":[22,{"range":[8000,8010]}]}}},{"accept":null}"#;
const PING: &str = r#"{"match":{"op":"==","left":{"payload":{"protocol":"icmp","field":"type"}},"right":"echo-request"}},{"limit":{"rate":5,"per":"second"}},{"accept":null}"#;

#[test]
fn a_chain_that_drops_but_for_answers_and_single_services_is_on() {
    assert_eq!(on(&with_rules("drop", &[ANSWERS, LOOPBACK, SSH, PING])), ClaimValue::Bool(true));
    assert_eq!(on(&with_rules("accept", &[ANSWERS, LOOPBACK, SSH, r#"{"reject":null}"#])), ClaimValue::Bool(true));
    let by_map = r#"{"vmap":{"key":{"ct":{"key":"state"}},"data":{"set":[["established",{"accept":null}],["invalid",{"drop":null}]]}}}"#;
    assert_eq!(on(&with_rules("drop", &[by_map])), ClaimValue::Bool(true));
}

#[test]
fn no_chain_an_accepting_one_or_a_blanket_accept_is_off() {
    assert_eq!(on(&root().answers(LIST, r#"{"nftables":[]}"#)), ClaimValue::Bool(false));
    assert_eq!(on(&with_rules("accept", &[ANSWERS])), ClaimValue::Bool(false));
    for blanket in [
        r#"{"counter":{"packets":0,"bytes":0}},{"accept":null}"#,
        r#"{"match":{"op":"!=","left":{"meta":{"key":"iifname"}},"right":"lo"}},{"accept":null}"#,
        r#"{"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":{"range":[1024,65535]}}},{"accept":null}"#,
        r#"{"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"saddr"}},"right":{"prefix":{"addr":"0.0.0.0","len":0}}}},{"accept":null}"#,
        r#"{"match":{"op":"==","left":{"meta":{"key":"nfproto"}},"right":"ipv6"}},{"accept":null}"#,
        r#"{"match":{"op":"in","left":{"ct":{"key":"state"}},"right":["new","established"]}},{"accept":null}"#,
    ] {
        assert_eq!(on(&with_rules("drop", &[ANSWERS, blanket])), ClaimValue::Bool(false), "{blanket}");
    }
}

#[test]
fn a_rule_after_the_end_of_its_chain_changes_nothing() {
    let drops = r#"{"drop":null}"#;
    assert_eq!(on(&with_rules("accept", &[drops, r#"{"accept":null}"#])), ClaimValue::Bool(true));
    assert_eq!(on(&with_rules("drop", &[r#"{"accept":null}"#, drops])), ClaimValue::Bool(false));
}

#[test]
fn what_cannot_be_judged_is_unknown_only_where_it_decides() {
    let marked = r#"{"match":{"op":"==","left":{"meta":{"key":"mark"}},"right":7}},{"accept":null}"#;
    let machine = with_rules("drop", &[ANSWERS, marked]);
    assert_unknown(&machine.collect(&Firewall), ClaimName::FirewallOn, "cannot judge (tcp/613 over IPv4 on eth0)");
    let marked_drop = marked.replace("accept", "drop");
    assert_eq!(on(&with_rules("drop", &[&marked_drop])), ClaimValue::Bool(true));
    let queue = with_rules("drop", &[r#"{"queue":{"num":0}}"#]);
    assert_unknown(&queue.collect(&Firewall), ClaimName::FirewallOn, "cannot judge");
}

#[test]
fn a_drop_for_one_family_only_leaves_the_other_open() {
    let v4_only = table("drop", &[]).replace("inet", "ip");
    assert_eq!(on(&root().answers(LIST, &v4_only)), ClaimValue::Bool(false));
    let without_v6 = root().file("/proc/thread-self/net/if_inet6", "0001 01 80 10 80 lo\n").answers(LIST, &v4_only);
    assert_eq!(on(&without_v6), ClaimValue::Bool(true));
}

const UFW_LIKE: &str = "# Generated\n*mangle\n:INPUT ACCEPT [0:0]\nCOMMIT\n*filter\n:INPUT DROP [0:0]\n:before - [0:0]\n:log - [0:0]\n\
    -A INPUT -j before\n-A INPUT -j log\n-A before -i lo -j ACCEPT\n\
    -A before -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
    -A before -p icmp -m icmp --icmp-type 8 -j ACCEPT\n-A before -p udp -m udp --sport 67 --dport 68 -j ACCEPT\n\
    -A before -d 224.0.0.251/32 -p udp -m udp --dport 5353 -j ACCEPT\n-A before -m addrtype --dst-type LOCAL -j RETURN\n\
    -A log -m limit --limit 3/min -m comment --comment \"-j ACCEPT\" -j LOG --log-prefix \"[BLOCK] \"\nCOMMIT\n";

fn iptables(v4: &str) -> Fixture {
    root().answers("iptables-save", v4).answers("ip6tables-save", &UFW_LIKE.replace("icmp", "icmpv6"))
}

#[test]
fn iptables_is_read_where_nft_is_not_installed() {
    assert_eq!(on(&iptables(UFW_LIKE)), ClaimValue::Bool(true));
    assert_eq!(on(&iptables(&UFW_LIKE.replace("-A before -i lo", "-A before ! -i lo"))), ClaimValue::Bool(false));
    assert_eq!(on(&iptables(&UFW_LIKE.replace("INPUT DROP", "INPUT ACCEPT"))), ClaimValue::Bool(false));
    assert_unknown(&root().collect(&Firewall), ClaimName::FirewallOn, "no program is installed");
}

#[test]
fn rules_of_iptables_that_nft_cannot_show_are_read_from_iptables() {
    let foreign = table("drop", &[r#"{"xt":{"type":"match","name":"conntrack"}},{"accept":null}"#]);
    assert_unknown(&root().answers(LIST, &foreign).collect(&Firewall), ClaimName::FirewallOn, "cannot judge");
    assert_eq!(on(&iptables(UFW_LIKE).answers(LIST, &foreign)), ClaimValue::Bool(true));
}

fn user() -> Fixture {
    Fixture::new().file("/proc/thread-self/status", NOBODY)
}

const UFW_UNIT: &str = "systemctl show --property=ActiveState --value ufw.service";
const FIREWALLD_UNIT: &str = "systemctl show --property=ActiveState --value firewalld.service";

#[test]
fn an_ordinary_user_has_the_word_of_ufw_or_firewalld() {
    let ufw = |policy: &str| {
        user()
            .file("/etc/ufw/ufw.conf", "# x\nENABLED=yes\nLOGLEVEL=low\n")
            .file("/etc/default/ufw", format!("IPV6=yes\nDEFAULT_INPUT_POLICY=\"{policy}\"\n"))
            .answers(UFW_UNIT, "active\n")
    };
    let found = ufw("DROP").collect(&Firewall);
    let own_word = Finding { name: ClaimName::FirewallOn, value: ClaimValue::Bool(true), source: Source::Agent };
    assert_eq!(found, vec![own_word]);
    assert_eq!(on(&ufw("ACCEPT")), ClaimValue::Bool(false));
    let firewalld = |zone: &str| {
        user()
            .file("/etc/firewalld/firewalld.conf", format!("DefaultZone={zone}\n"))
            .directory("/etc/firewalld/zones")
            .answers(FIREWALLD_UNIT, "active\n")
    };
    assert_eq!(on(&firewalld("public")), ClaimValue::Bool(true));
    assert_eq!(on(&firewalld("trusted")), ClaimValue::Bool(false));
    let opened = firewalld("public").file("/etc/firewalld/zones/public.xml", "<zone target=\"ACCEPT\"></zone>");
    assert_eq!(on(&opened), ClaimValue::Bool(false));
}

#[test]
fn an_ordinary_user_without_a_manager_does_not_know() {
    assert_unknown(&user().collect(&Firewall), ClaimName::FirewallOn, "may not be read by this user");
    let stopped = user()
        .file("/etc/ufw/ufw.conf", "ENABLED=yes\n")
        .file("/etc/default/ufw", "DEFAULT_INPUT_POLICY=\"DROP\"\n")
        .answers(UFW_UNIT, "inactive\n");
    assert_unknown(&stopped.collect(&Firewall), ClaimName::FirewallOn, "may not be read by this user");
}

/// Runs this very test again in a network namespace of its own, where it may change the rules.
#[track_caller]
fn in_own_namespace(test: &str, inner: impl FnOnce()) {
    const INSIDE: &str = "HITOTSU_TEST_NAMESPACE";
    if std::env::var_os(INSIDE).is_some() {
        return inner();
    }
    let name = format!("{}::{test}", module_path!().split_once("::").expect("crate").1);
    let program = std::env::current_exe().expect("own path");
    let output = Process::new("unshare")
        .args(["--net", "--"])
        .arg(program)
        .args(["--exact", &name, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare is installed");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "needs root and nftables in a network namespace:\n{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn nft(rules: &str) {
    let status = Process::new("nft").arg(rules).status().expect("nft is installed");
    assert!(status.success(), "nft {rules}");
}

#[test]
fn netns_the_real_rules_of_a_namespace_are_followed() {
    in_own_namespace("netns_the_real_rules_of_a_namespace_are_followed", || {
        let on = || Firewall.collect(&this_machine()).first().map(|finding| (finding.value.clone(), finding.source));
        let says = |value| Some((ClaimValue::Bool(value), Source::Os));
        assert_eq!(on(), says(false), "no rules at all");
        nft("table inet f { chain in { type filter hook input priority 0; policy drop; \
             ct state established,related accept; iif lo accept; tcp dport { 22, 443 } accept; \
             ip saddr 192.168.0.0/16 udp dport 5353 accept; meta l4proto { icmp, ipv6-icmp } limit rate 5/second accept; }; }");
        assert_eq!(on(), says(true), "drops but for answers and single services");
        nft("add rule inet f in tcp dport 1-65535 accept");
        assert_eq!(on(), says(false), "a blanket accept");
        nft("flush chain inet f in");
        assert_eq!(on(), says(true), "drops everything");
        nft("chain inet f in { policy accept; }");
        assert_eq!(on(), says(false), "accepts everything");
        nft("delete table inet f");
        nft("table ip f { chain in { type filter hook input priority 0; policy drop; }; }");
        let only_v4 = on();
        // Without an IPv6 address but loopback's there is no way in but IPv4.
        assert_eq!(only_v4, says(true), "IPv4 only");
    });
}

#[test]
fn netns_a_rule_that_changes_is_seen_within_5_s() {
    in_own_namespace("netns_a_rule_that_changes_is_seen_within_5_s", || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime").block_on(async {
            let collectors = Collectors::new(vec![Arc::new(Firewall)]);
            let mut watch = Watch::start(collectors, Arc::new(Machine::this()), Vec::new()).await;
            for (rules, on) in [
                ("table inet f { chain in { type filter hook input priority 0; policy drop; }; }", true),
                ("chain inet f in { policy accept; }", false),
            ] {
                let begun = Instant::now();
                nft(rules);
                let next = tokio::time::timeout(Duration::from_secs(30), watch.changed()).await.expect("a change");
                let took = begun.elapsed();
                let found = next.claim(ClaimName::FirewallOn).map(|claim| claim.value.clone());
                assert_eq!(found, Some(ClaimValue::Bool(on)), "{rules}");
                assert!(took < Duration::from_secs(5), "{took:?}");
            }
        });
    });
}
