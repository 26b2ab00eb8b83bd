//! What holds for the disks stage on every machine and for every config: the real stage, from looking to the last step, on
//! machines in memory. The cases are made from a fixed seed, so that a run is as good as any other.

use std::cell::Cell;

use kindling_config_spec::check;
use kindling_config_spec::types::Config;
use proptest::option::of;
use proptest::prelude::{Strategy, any};
use proptest::test_runner::{Config as Cases, RngAlgorithm, TestError, TestRng, TestRunner};

use super::*;
use crate::apply::Host;
use crate::identity::Seed;
use crate::invocation::Key;
use crate::plan::disks::volumes::has_key;
use crate::plan::{Step, check as finished, show};
use configs::Asked;
use machine::Machine;

mod configs;
mod generate;
mod kernel;
mod machine;
mod programs;
mod rules;

/// Holds `property` against `cases` values.
fn holds<S: Strategy>(cases: u32, values: &S, property: impl Fn(S::Value)) {
    let config = Cases {
        cases,
        failure_persistence: None,
        max_shrink_iters: 4096,
        ..Cases::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let run = TestRunner::new_with_rng(config, rng).run(values, |value| {
        property(value);
        Ok(())
    });
    match run {
        Ok(()) => {}
        Err(TestError::Fail(why, value)) => panic!("{why}\n{value:#?}"),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

/// The keys of a run: those of the config, and others drawn anew each time.
fn drawn(config: &Config, run: u8) -> Keys {
    let key = |want: &kindling_config_spec::types::Luks| {
        let bytes = if has_key(want) {
            b"k".to_vec()
        } else {
            vec![run; 3]
        };
        (want.name.clone(), Key::new(bytes))
    };
    config.storage.luks.iter().map(key).collect()
}

/// A first boot of a machine: what tells its runs from each other, and what they have in common.
struct Boot<'a> {
    machine: &'a Machine,
    seed: Seed,
    /// Keys that an earlier run handed over.
    left: Keys,
    run: u8,
}

impl Boot<'_> {
    fn plan(&self, keys: &Keys) -> Result<Plan, Failure> {
        let (config, devices) = (&self.machine.config, self.machine);
        let disks = look_at(config, self.machine, devices)?;
        let known = Known {
            disks: &disks,
            seed: &self.seed,
            fresh: [self.run; 16],
        };
        let live = Live {
            processes: self.machine,
            devices,
            keys,
            left: &self.left,
        };
        plan_known(config, &known, devices, &live).map(|(plan, _)| plan)
    }

    /// One run of the stage: its plan, and whether it came to its end.
    fn run(&self) -> Result<(Plan, bool), Failure> {
        let mut keys = drawn(&self.machine.config, self.run);
        let plan = self.plan(&keys)?;
        assert_eq!(finished::faults(&plan), Vec::<String>::new());
        keys::settle(&self.machine.config, self.left.clone(), &plan, &mut keys);
        let host = Host {
            processes: self.machine,
            devices: self.machine,
            keys: &keys,
            sysroot: None,
            fetcher: None,
            journal: None,
            receipt: None,
            noted: None,
        };
        let is_done = match apply(&plan, &host) {
            Ok(_) => true,
            Err(failed) if self.machine.state().power.is_some() => {
                drop(failed);
                false
            }
            Err(failed) => panic!("{failed:?}\n{}", show::show(&plan)),
        };
        assert_eq!(
            self.machine.state().faults,
            Vec::<String>::new(),
            "run {}\n{}\n{}",
            self.run,
            show::show(&plan),
            serde_json::to_string(&self.machine.config.storage).unwrap()
        );
        Ok((plan, is_done))
    }
}

/// The machine is as the config asks.
fn assert_reached(machine: &Machine) {
    let state = machine.state();
    // A label may name a partition of another disk as well, which nobody looked at.
    let assert_holds = |device: &str, expected: Option<&str>| {
        let nodes = state.nodes(device.as_ref());
        let found = nodes.iter().map(|node| {
            let (at, _) = state.at(node)?;
            state.lying.get(&at).map(|lying| lying.signature.kind.as_str())
        });
        let found: Vec<_> = found.collect();
        assert!(
            found.contains(&expected),
            "{device} holds {found:?}, not {expected:?}"
        );
    };
    let storage = &machine.config.storage;
    for array in &storage.raid {
        let members = array.devices.iter();
        members.for_each(|member| assert_holds(member, Some("linux_raid_member")));
        assert!(state.real("/dev/md/data".as_ref()).is_some());
    }
    let volumes = storage.luks.iter().filter_map(|volume| volume.device.as_deref());
    volumes.for_each(|device| assert_holds(device, Some("crypto_LUKS")));
    let is_closed = |device: &str| device == "/dev/mapper/secret" && state.real(device.as_ref()).is_none();
    for filesystem in storage.filesystems.iter().filter(|one| !is_closed(&one.device)) {
        let format = filesystem.format.as_deref().filter(|format| *format != "none");
        assert_holds(&filesystem.device, format);
    }
    for disk in state.disks.keys() {
        let entries = state
            .table(disk)
            .into_iter()
            .flat_map(|table| table.entries.values());
        for entry in entries {
            assert_eq!(entry.attributes & rules::MARK, 0, "a mark is left: {entry:?}");
        }
    }
}

/// Whether udev starts arrays in this machine's boots: as it did or did not in the first one.
fn udev_starts(machine: &Machine, otherwise: bool) -> bool {
    let state = machine.state();
    if state.arrays.is_empty() {
        otherwise
    } else {
        !state.running.is_empty()
    }
}

fn is_valid(config: &Config) -> bool {
    check(&serde_json::to_string(config).unwrap()).is_ok()
}

/// What a case came to, to be counted.
#[derive(Default)]
struct Met {
    plans: Cell<u32>,
    refusals: Cell<u32>,
    changes: Cell<u32>,
    losses: Cell<u32>,
    arrays: Cell<u32>,
    volumes: Cell<u32>,
    cuts: Cell<u32>,
}

impl Met {
    fn plan(&self, plan: &Plan) {
        let add = |cell: &Cell<u32>, is: bool| cell.set(cell.get() + u32::from(is));
        let count = show::count(plan);
        let has = |is: &dyn Fn(&Step) -> bool| plan.steps.iter().any(|planned| is(&planned.step));
        add(&self.plans, true);
        add(&self.changes, count.changes > 0);
        add(&self.losses, count.destroys > 0);
        add(
            &self.arrays,
            has(&|step| matches!(step, Step::CreateArray { .. } | Step::KeepArray { .. })),
        );
        add(
            &self.volumes,
            has(&|step| matches!(step, Step::FormatVolume { .. } | Step::KeepVolume { .. })),
        );
    }

    /// The cases reach what they are for.
    fn assert_enough(&self, each: u32) {
        let counts = [
            &self.plans,
            &self.changes,
            &self.losses,
            &self.arrays,
            &self.volumes,
        ]
        .map(Cell::get);
        assert!(
            counts.iter().all(|count| *count >= each),
            "plans, changes, losses, arrays, volumes: {counts:?}, beside {} refusals and {} cuts",
            self.refusals.get(),
            self.cuts.get()
        );
    }
}

/// Runs once more, without leave for anything to go: nothing is left to do.
fn assert_stays(machine: Machine, seed: &Seed, left: Keys) {
    let config = configs::without_leave(machine.config.clone());
    let state = machine.state().clone();
    let again = Machine::new(state, config);
    again.state().keep_all();
    let boot = Boot {
        machine: &again,
        seed: seed.clone(),
        left,
        run: 200,
    };
    let before = boot.machine.state().lying.clone();
    let (plan, _) = boot
        .run()
        .unwrap_or_else(|failure| panic!("the second run refuses: {failure:#?}"));
    assert_eq!(
        show::count(&plan),
        show::Count::default(),
        "{}",
        show::show(&plan)
    );
    assert!(before == again.state().lying);
}

#[test]
fn a_run_touches_only_what_it_may_reaches_what_is_asked_and_leaves_nothing_to_do() {
    let met = Met::default();
    let cases = (configs::cases(), any::<bool>(), any::<bool>());
    holds(
        3_000,
        &cases,
        |((state, Asked(config)), reboots, starts_arrays)| {
            if !is_valid(&config) {
                return;
            }
            let seed = Seed::new("machine", "config");
            let machine = Machine::new(state, config);
            let boot = Boot {
                machine: &machine,
                seed: seed.clone(),
                left: Keys::new(),
                run: 1,
            };
            let starts = udev_starts(&machine, starts_arrays);
            let before = machine.state().clone();
            let Ok((plan, _)) = boot.run() else {
                met.refusals.set(met.refusals.get() + 1);
                let after = machine.state().clone();
                assert!(
                    before.lying == after.lying && before.disks == after.disks,
                    "a refusal changed something"
                );
                return;
            };
            met.plan(&plan);
            assert_reached(&machine);
            let mut left = drawn(&machine.config, 1);
            if reboots {
                // The files stage has stored every key.
                left.clear();
                let mut state = machine.state();
                state.boot(starts);
                state
                    .lying
                    .values_mut()
                    .for_each(|lying| lying.signature.subsystem = None);
            }
            assert_stays(machine, &seed, left);
        },
    );
    met.assert_enough(150);
}

#[test]
fn a_run_that_is_cut_short_is_finished_by_the_next() {
    let met = Met::default();
    let cuts = (0..12_usize, of(0..12_usize));
    let cases = (configs::cases(), cuts, any::<bool>());
    holds(3_000, &cases, |((state, Asked(config)), cuts, starts_arrays)| {
        if !is_valid(&config) {
            return;
        }
        let seed = Seed::new("machine", "config");
        let machine = Machine::new(state, config);
        let mut boot = Boot {
            machine: &machine,
            seed: seed.clone(),
            left: Keys::new(),
            run: 1,
        };
        let starts = udev_starts(&machine, starts_arrays);
        let mut is_done = false;
        for power in [Some(cuts.0), cuts.1, None] {
            if boot.run > 1 {
                machine.state().boot(starts);
            }
            machine.state().power = power;
            match boot.run() {
                Ok((plan, done)) => {
                    met.plan(&plan);
                    met.cuts.set(met.cuts.get() + u32::from(!done));
                    is_done = done;
                }
                Err(_) if boot.run == 1 => return,
                Err(failure) => {
                    assert!(
                        has_place_without_mark(&machine),
                        "the next run refuses: {failure:#?}"
                    );
                    return;
                }
            }
            if is_done {
                break;
            }
            boot.run += 1;
        }
        assert!(is_done);
        assert_reached(&machine);
        let left = drawn(&machine.config, boot.run);
        assert_stays(machine, &seed, left);
    });
    met.assert_enough(100);
}

/// Whether something is to be made where there is no room for a mark: on what is no partition of a disk in the config.
fn has_place_without_mark(machine: &Machine) -> bool {
    let (state, storage) = (machine.state(), &machine.config.storage);
    let listed = storage
        .disks
        .iter()
        .filter_map(|disk| state.real(disk.device.as_ref()));
    let listed: Vec<PathBuf> = listed.collect();
    let has_room = |node: &PathBuf| {
        let disk = listed
            .iter()
            .find(|disk| node.to_string_lossy().starts_with(&*disk.to_string_lossy()));
        disk.is_some_and(|disk| disk != node)
    };
    let members = storage.raid.iter().flat_map(|one| &one.devices);
    let volumes = storage.luks.iter().filter_map(|one| one.device.as_ref());
    let filesystems = storage.filesystems.iter().map(|one| &one.device);
    let made = ["/dev/mapper/secret", "/dev/md/data"];
    let devices = members.chain(volumes).chain(filesystems);
    let is_made =
        |device: &str| made.contains(&device) && (device != "/dev/md/data" || !storage.raid.is_empty());
    devices
        .filter(|device| !is_made(device))
        .any(|device| !state.nodes(device.as_ref()).iter().all(has_room))
}
