//! Units of systemd, of which each name stands once in Ignition 3, and of networkd, which are files there.

use crate::frontend::tree::{Member, Node, Value};
use crate::order::OrderedMap;
use crate::rules::{catalog as rule, clean_path, extension};
use crate::suggest::quoted;
use crate::unit_file;

use super::draft::{Draft, put, taken};
use super::sections::{TWICE, TWICE_FORM};

/// Where networkd's units are.
const NETWORK: &str = "/etc/systemd/network";

/// Where systemd's units are.
const SYSTEM: &str = "/etc/systemd/system";

/// Units while they are joined: drop-ins stand beside them until all are known.
#[derive(Default)]
struct Joined<'a> {
    units: Vec<(Node<'a>, Vec<Node<'a>>)>,
    by_name: OrderedMap<String, usize>,
    /// By the unit's number and the drop-in's name.
    dropins: OrderedMap<(usize, String), usize>,
}

impl<'a> Joined<'a> {
    /// Lays `unit` over what has its name: what it says counts, and its drop-ins are added.
    fn add(&mut self, draft: &mut Draft<'a>, mut unit: Node<'a>) {
        let name = unit.word("name").unwrap_or_default().to_owned();
        let dropins = taken(&mut unit, "dropins");
        let number = *self.by_name.entry(name).or_insert(self.units.len());
        match self.units.get_mut(number) {
            Some((earlier, _)) => {
                draft.note(unit.from, TWICE, TWICE_FORM);
                over(draft, earlier, unit);
            }
            None => self.units.push((unit, Vec::new())),
        }
        let Some((_, kept)) = self.units.get_mut(number) else {
            return;
        };
        for dropin in dropins {
            let name = dropin.word("name").unwrap_or_default().to_owned();
            let index = *self.dropins.entry((number, name)).or_insert(kept.len());
            match kept.get_mut(index) {
                Some(earlier) => {
                    draft.note(dropin.from, TWICE, TWICE_FORM);
                    over(draft, earlier, dropin);
                }
                None => kept.push(dropin),
            }
        }
    }

    fn into_units(self) -> Vec<Node<'a>> {
        let whole = |(mut unit, dropins): (Node<'a>, Vec<Node<'a>>)| {
            let from = dropins.first().map_or(unit.from, |first| first.from);
            put(&mut unit, "dropins", dropins, from);
            unit
        };
        self.units.into_iter().map(whole).collect()
    }
}

fn over<'a>(draft: &mut Draft<'a>, earlier: &mut Node<'a>, later: Node<'a>) {
    let Value::Object(members) = later.value else {
        return;
    };
    for Member { name, node } in members {
        if name == "enabled"
            && earlier
                .get("enabled")
                .is_some_and(|other| other.value != node.value)
        {
            let message =
                "an entry before says the contrary: this one counts, and with Ignition 2 that one did";
            draft.tell(rule::V2_CHANGED, node.from, message, "say it once");
        }
        earlier.set(name, node);
    }
}

/// The units that `given` make.
pub(super) fn units<'a>(draft: &mut Draft<'a>, given: Vec<Node<'a>>) -> Vec<Node<'a>> {
    let mut joined = Joined::default();
    for mut unit in given {
        enablement(draft, &mut unit);
        joined.add(draft, unit);
    }
    joined.into_units()
}

/// `enable`, which could only ask for it, and `enabled`, which says either.
fn enablement<'a>(draft: &mut Draft<'a>, unit: &mut Node<'a>) {
    let Some(enable) = unit.take("enable") else {
        return;
    };
    draft.note(enable.from, "enable is called enabled", "\"enabled\": true");
    match unit.get("enabled").and_then(Node::as_boolean) {
        Some(false) => {
            let message = "enable and enabled contradict each other: the unit is disabled, and with Ignition 2 it was enabled";
            draft.tell(rule::V2_CHANGED, enable.from, message, "remove enable");
        }
        Some(true) => {}
        None => unit.set("enabled", enable),
    }
}

/// Calls `found` with the path of every file that `units` write.
pub(super) fn written(units: &[Node<'_>], found: &mut dyn FnMut(&str)) {
    let has_text = |node: &&Node<'_>| node.get("contents").is_some();
    for unit in units {
        let name = unit.word("name").unwrap_or_default();
        if has_text(&unit) {
            found(&clean_path(&format!("{SYSTEM}/{name}")));
        }
        for dropin in unit.each("dropins").iter().filter(has_text) {
            let dropin = dropin.word("name").unwrap_or_default();
            found(&clean_path(&format!("{SYSTEM}/{name}.d/{dropin}")));
        }
    }
}

/// The files that units of networkd are. Those without text are none.
pub(super) fn networkd<'a>(draft: &mut Draft<'a>, given: Vec<Node<'a>>) -> Vec<Node<'a>> {
    let mut joined = Joined::default();
    for unit in given {
        joined.add(draft, unit);
    }
    let mut files = Vec::new();
    for mut unit in joined.into_units() {
        let name = unit.word("name").unwrap_or_default().to_owned();
        if !matches!(extension(&name), ".link" | ".netdev" | ".network") {
            let message = format!("{} is not a kind of unit networkd knows", quoted(&name));
            let help = "end the name in .network, .netdev or .link";
            draft.tell(rule::UNIT_EXTENSION_UNKNOWN, at_name(&unit), &message, help);
        }
        let dropins = taken(&mut unit, "dropins");
        files.extend(network_file(draft, unit, &format!("{NETWORK}/{name}")));
        for dropin in dropins {
            if !draft.has_room(dropin.from, name.len()) {
                break;
            }
            let file = dropin.word("name").unwrap_or_default().to_owned();
            if extension(&file) != ".conf" {
                let message = format!(
                    "the drop-in {} does not end in .conf, so networkd ignores it",
                    quoted(&file)
                );
                let help = "end the name in .conf";
                draft.tell(rule::DROPIN_EXTENSION_UNKNOWN, at_name(&dropin), &message, help);
            }
            files.extend(network_file(draft, dropin, &format!("{NETWORK}/{name}.d/{file}")));
        }
    }
    files
}

fn at_name(node: &Node<'_>) -> crate::frontend::tree::Place {
    node.get("name").map_or(node.from, |name| name.from)
}

fn network_file<'a>(draft: &mut Draft<'a>, unit: Node<'a>, path: &str) -> Option<Node<'a>> {
    let contents = unit.get("contents")?;
    let at = contents.from;
    let text = contents.as_text()?;
    if let Err(error) = unit_file::parse(text) {
        draft.tell(
            rule::UNIT_SYNTAX,
            at,
            &format!("invalid unit content: {error}"),
            "",
        );
    }
    let path = clean_path(path);
    draft.note(
        unit.from,
        "units of networkd are files",
        &format!("\"path\": {}, \"overwrite\": true, \"mode\": 420", quoted(&path)),
    );
    let source = draft.data_url(contents);
    let file = Node::object(unit.from)
        .with("path", Node::text(path, at_name(&unit)))
        .with("overwrite", Node::boolean(true, unit.from))
        .with("contents", source)
        .with("mode", Node::integer(0o644, unit.from));
    Some(file)
}
