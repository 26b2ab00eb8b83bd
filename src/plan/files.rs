//! The files stage: accounts, then nodes, then units, then the result file (engine.md 4.6).

use std::path::{Path, PathBuf};

use kindling_config_spec::json;
use kindling_config_spec::order::{Gather, OrderedSet};
use kindling_config_spec::types::Config;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::accounts::KeyFile;
use super::offline::Extent;
use super::origins::Origins;
use super::step::Secret;
use super::{Conflict, Plan, Stage, Step, accounts, kargs, mounts, nodes, units, volumes};
use crate::inventory::target::Target;

/// Where the result of provisioning is written, for programs that ask whether and when it happened.
pub const RESULT_FILE: &str = "/etc/.ignition-result.json";

/// What was done, by whom and from where it came.
pub const RECEIPT: &str = "/var/lib/kindling/receipt.json";

/// What the planner may know besides config and target.
pub struct Known<'a> {
    /// The target.
    pub target: &'a Target,
    /// Where the target's root is, as the account programs are told.
    pub root: &'a Path,
    /// Directories that the mount stage made.
    pub made_by_mount: &'a [PathBuf],
    /// Where SSH keys go.
    pub key_file: KeyFile,
    /// Names this boot.
    pub boot_id: &'a str,
    /// Now, RFC 3339 with second precision.
    pub now: &'a str,
    /// Some user gave a config.
    pub user_config_provided: bool,
    /// The keys that whoever runs the plan has; `None` in a dry run.
    pub keys: Option<&'a OrderedSet<Secret>>,
    /// How far the config is carried out; `None` on the machine itself.
    pub extent: Option<Extent>,
    /// A first boot is still to come, with the rest of the config.
    pub is_part: bool,
    /// Presets can be applied here: the machine's own systemd may find its root read-only when it would, and never again.
    pub applies_presets: bool,
    /// Who asked for what the config does not have itself.
    pub origins: &'a Origins,
}

/// The result file's content, with the previous one inside it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    #[serde(rename = "provisioningBootID")]
    boot_id: &'a str,
    provisioning_date: &'a str,
    user_config_provided: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_report: Option<Box<RawValue>>,
}

/// Plans the stage.
///
/// # Errors
/// Every path where something stands that the config does not allow to replace.
pub fn plan_files(config: &Config, known: &Known<'_>) -> Result<Plan, Vec<Conflict>> {
    let mut plan = Plan::empty(Stage::Files);
    let mut conflicts = Vec::new();
    let edits = accounts::plan_accounts(
        &mut plan,
        config,
        known.target,
        known.root,
        known.made_by_mount,
        known.key_file,
    );
    accounts::check_names(&mut conflicts, config, known.target);
    accounts::check_edits(&mut conflicts, &edits, config, known.target);
    nodes::plan_nodes(&mut plan, &mut conflicts, config, known.target);
    units::plan_units(&mut plan, config, known.target);
    kargs::plan_later_kernels(&mut plan, config, known.target);
    if known.applies_presets && known.target.awaits_presets {
        plan.push("", units::apply_presets(known.root));
    }
    volumes::plan_volumes(&mut plan, &mut conflicts, config, known.target, known.keys);
    blocked(&plan, &mut conflicts, known.target);
    mounted(&plan, &mut conflicts, known.target);
    // Whoever runs `ignition-apply` finishes the root himself.
    let is_bare = known.extent == Some(Extent::Bare);
    if !is_bare && !known.is_part {
        match result(known, written_mounts(&plan, config, known.target)) {
            Ok(step) => plan.push("", step),
            Err(conflict) => conflicts.push(conflict),
        }
    }
    if let Some(contexts) = known.target.selinux_contexts.as_ref().filter(|_| !is_bare) {
        let paths = relabelled(&plan, known.target);
        plan.push(
            "",
            Step::Relabel {
                contexts: contexts.clone(),
                paths,
                homes_of: users_with_homes(config),
            },
        );
    }
    volumes::plan_finish(&mut plan, config, known.target);
    known.origins.name(&mut plan, &mut conflicts);
    if conflicts.is_empty() {
        Ok(plan)
    } else {
        Err(conflicts)
    }
}

/// Paths below something that is no directory, unless a step removes it.
fn blocked(plan: &Plan, conflicts: &mut Vec<Conflict>, target: &Target) {
    if target.blocked.is_empty() {
        return;
    }
    let real = |path: &Path| {
        target
            .resolved
            .get(path)
            .cloned()
            .unwrap_or_else(|| path.to_owned())
    };
    let mut removed = OrderedSet::new();
    for planned in &plan.steps {
        let path = match &planned.step {
            Step::Remove { path, .. } => {
                removed.insert(real(path));
                continue;
            }
            Step::File(file) => &file.path,
            Step::Directory { path, .. }
            | Step::PrivateDirectory { path }
            | Step::Symlink { path, .. }
            | Step::HardLink { path, .. } => path,
            _ => continue,
        };
        let Some((above, kind)) = target.blocked.get(path) else {
            continue;
        };
        if !removed.contains(above) {
            let (path, above) = (path.display(), above.display());
            conflicts.push(Conflict::new(
                &planned.pointer,
                "path-exists",
                format!(
                    "{path} cannot be made: {above} is {} in the target, not a directory",
                    kind.name()
                ),
                format!("use another path, or make {above} a directory of the config with overwrite"),
            ));
        }
    }
}

/// What a step removes must not hold somebody's file system.
fn mounted(plan: &Plan, conflicts: &mut Vec<Conflict>, target: &Target) {
    for planned in &plan.steps {
        let path = match &planned.step {
            Step::Remove { path, .. } => path,
            Step::Account {
                leaves: Some(home), ..
            }
            | Step::EditAccount {
                leaves: Some(home), ..
            } => home,
            _ => continue,
        };
        let real = target.resolved.get(path).unwrap_or(path);
        if let Some(at) = target.mount_points.iter().find(|at| at.starts_with(real)) {
            let (path, at) = (path.display(), at.display());
            conflicts.push(Conflict::new(
                &planned.pointer,
                "path-mounted",
                format!("{path} would be removed, and a file system is mounted at {at}"),
                "leave overwrite out, or mount the file system elsewhere",
            ));
        }
    }
}

/// The mount points on whose file systems this stage writes: those of the config, and those that a step's path or
/// a user's home lies below.
fn written_mounts(plan: &Plan, config: &Config, target: &Target) -> OrderedSet<PathBuf> {
    let mut written: OrderedSet<&Path> = mounts::candidates(config)
        .into_iter()
        .map(|(_, _, path)| path)
        .into_set();
    written.extend(target.new_homes.values().map(PathBuf::as_path));
    for user in &config.passwd.users {
        let known = target.users.get(&user.name).map(|user| user.home.as_path());
        written.extend(user.home_dir.as_deref().map(Path::new).or(known));
    }
    for planned in &plan.steps {
        let path = match &planned.step {
            Step::File(file) => &file.path,
            Step::Directory { path, .. }
            | Step::PrivateDirectory { path }
            | Step::Symlink { path, .. }
            | Step::HardLink { path, .. }
            | Step::Remove { path, .. } => path,
            Step::Preset { .. } => Path::new(units::PRESET_FILE),
            _ => continue,
        };
        written.insert(target.resolved.get(path).map_or(path, PathBuf::as_path));
    }
    let found = written.iter().filter_map(|path| {
        path.ancestors()
            .find(|above| target.mount_points.contains(*above))
    });
    found
        .filter(|at| *at != Path::new("/"))
        .map(Path::to_owned)
        .into_set()
}

fn result(known: &Known<'_>, synced: OrderedSet<PathBuf>) -> Result<Step, Conflict> {
    #[derive(Deserialize)]
    struct Previous(
        #[expect(dead_code, reason = "only that it is an object counts")]
        serde_json::Map<String, serde_json::Value>,
    );
    let already = known.target.complete.contains(Path::new(RESULT_FILE));
    let found = known.target.previous_result.as_deref();
    // What this very config was about to write, and did not come to finish, is not an earlier provisioning.
    let earlier = found.filter(|_| !known.target.half_written.contains(Path::new(RESULT_FILE)));
    let previous = earlier.map(|text| {
        let parsed = serde_json::from_str::<Previous>(text).and_then(|_| serde_json::from_str(text));
        parsed.map_err(|_| {
            Conflict::new(
                "",
                "result-unreadable",
                format!("{RESULT_FILE} of an earlier provisioning is not a JSON object"),
                format!("remove {RESULT_FILE} from the target if it may be provisioned again"),
            )
        })
    });
    let report = Report {
        boot_id: known.boot_id,
        provisioning_date: known.now,
        user_config_provided: known.user_config_provided,
        previous_report: previous.transpose()?,
    };
    let mut text = json::pretty(&report);
    text.push('\n');
    Ok(Step::Result {
        text,
        already,
        synced,
    })
}

/// What must be labelled: everything a step writes, and what the account programs change.
fn relabelled(plan: &Plan, target: &Target) -> OrderedSet<PathBuf> {
    let mut paths = OrderedSet::new();
    for planned in &plan.steps {
        match &planned.step {
            Step::Directory { path, .. }
            | Step::PrivateDirectory { path }
            | Step::Symlink { path, .. }
            | Step::HardLink { path, .. } => {
                paths.insert(topmost_new(path, target));
            }
            Step::File(file) => {
                paths.insert(topmost_new(&file.path, target));
            }
            Step::Preset { .. } => {
                paths.insert(topmost_new(Path::new(units::PRESET_FILE), target));
            }
            Step::Result { .. } => {
                paths.insert(PathBuf::from(RESULT_FILE));
                paths.insert(topmost_new(Path::new(RECEIPT), target));
            }
            Step::Account { .. } | Step::EditAccount { .. } | Step::AuthorizedKeys { .. } => {
                let files = ["passwd", "group", "shadow", "gshadow", "subuid", "subgid"];
                paths.insert(PathBuf::from("/etc/.pwd.lock"));
                paths.extend(files.iter().flat_map(|name| {
                    [
                        Path::new("/etc").join(name),
                        Path::new("/etc").join(format!("{name}-")),
                    ]
                }));
            }
            _ => {}
        }
    }
    paths
}

/// Users of the config that have a home of their own (engine.md 4.6.9).
fn users_with_homes(config: &Config) -> OrderedSet<String> {
    let users = config.passwd.users.iter();
    users
        .filter(|user| user.should_exist != Some(false) && user.no_create_home != Some(true))
        .map(|user| user.name.clone())
        .into_set()
}

/// The first component of `path` that does not exist yet, or `path` itself.
fn topmost_new(path: &Path, target: &Target) -> PathBuf {
    let known_dir = |dir: &Path| target.nodes.contains_key(dir) || target.existing_parents.contains(dir);
    let mut topmost = path;
    for above in path.ancestors().skip(1) {
        if above == Path::new("/") || known_dir(above) {
            break;
        }
        topmost = above;
    }
    topmost.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(target: &Target) -> Result<Plan, Vec<Conflict>> {
        planned_for(&Config::default(), target)
    }

    fn planned_for(config: &Config, target: &Target) -> Result<Plan, Vec<Conflict>> {
        plan_files(
            config,
            &Known {
                target,
                root: Path::new("/sysroot"),
                made_by_mount: &[],
                key_file: KeyFile::Fragment,
                boot_id: "b-1",
                now: "2024-01-02T03:04:05Z",
                user_config_provided: true,
                keys: None,
                extent: None,
                is_part: false,
                applies_presets: false,
                origins: &Origins::default(),
            },
        )
    }

    fn text(plan: &Plan) -> &str {
        match &plan.steps[0].step {
            Step::Result { text, .. } => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_result_names_boot_and_date_and_nests_the_previous_one() {
        let first = planned(&Target::default()).unwrap();
        let expected = "{\n  \"provisioningBootID\": \"b-1\",\n  \"provisioningDate\": \"2024-01-02T03:04:05Z\",\n  \
                        \"userConfigProvided\": true\n}\n";
        assert_eq!(text(&first), expected);
        let again = Target {
            previous_result: Some(expected.to_owned()),
            ..Target::default()
        };
        assert!(text(&planned(&again).unwrap()).contains("\"previousReport\": {"));
    }

    #[test]
    fn every_file_system_written_to_is_forced_before_the_result() {
        let mut config = Config::default();
        config.storage.files.push(kindling_config_spec::types::File {
            path: "/var/lib/data/f".into(),
            ..Default::default()
        });
        let target = Target {
            mount_points: ["/", "/var/lib/data", "/proc", "/home"].map(PathBuf::from).into(),
            new_homes: [("ada".to_owned(), PathBuf::from("/home/ada"))].into(),
            ..Target::default()
        };
        let plan = planned_for(&config, &target).unwrap();
        let synced = plan.steps.iter().find_map(|planned| match &planned.step {
            Step::Result { synced, .. } => Some(synced.clone()),
            _ => None,
        });
        assert_eq!(synced, Some(["/home", "/var/lib/data"].map(PathBuf::from).into()));
    }

    #[test]
    fn nothing_is_removed_at_or_above_a_mount_point() {
        for (path, refused) in [("/var", true), ("/var/lib", true), ("/var/lib/x", false)] {
            let mut config = Config::default();
            config
                .storage
                .directories
                .push(kindling_config_spec::types::Directory {
                    path: path.into(),
                    overwrite: Some(true),
                    ..Default::default()
                });
            let mut target = Target {
                mount_points: ["/", "/var/lib"].map(PathBuf::from).into(),
                ..Target::default()
            };
            let node = crate::inventory::target::Node {
                kind: crate::inventory::target::Kind::Directory,
                uid: 0,
                gid: 0,
                mode: kindling_config_spec::units::Mode(0o755),
                inode: (0, 0),
            };
            target.nodes.insert(path.into(), node);
            let found = planned_for(&config, &target);
            let codes = found.map_err(|conflicts| conflicts.into_iter().map(|one| one.code).collect());
            let expected: Result<(), Vec<&str>> = if refused {
                Err(vec!["path-mounted"])
            } else {
                Ok(())
            };
            assert_eq!(codes.map(drop), expected, "{path}");
        }
    }

    #[test]
    fn a_previous_result_that_is_no_object_is_refused() {
        for text in ["", "[]", "{"] {
            let target = Target {
                previous_result: Some(text.to_owned()),
                ..Target::default()
            };
            assert_eq!(planned(&target).unwrap_err()[0].code, "result-unreadable");
        }
    }
}
