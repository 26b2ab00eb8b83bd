//! Where partitions come to lie: as `sgdisk` puts them, and by rules that no drawn case may break.

use super::*;

/// One recorded run of sgdisk (`placement.gen.sh`).
#[derive(Default)]
struct Recorded {
    name: String,
    sector: u32,
    sectors: u64,
    have: Vec<(u32, u64, u64)>,
    want: Vec<Partition>,
    got: Option<OrderedMap<u32, (u64, u64)>>,
}

fn recorded() -> Vec<Recorded> {
    let mut cases: Vec<Recorded> = Vec::new();
    for line in include_str!("../../../../fixtures/disks/placement.txt").lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words[at].parse::<u64>().unwrap();
        let small = |at: usize| words[at].parse::<u32>().unwrap();
        if let ["disk", name, ..] = words[..] {
            let got = Some(OrderedMap::new());
            cases.push(Recorded {
                name: name.into(),
                sector: small(2),
                sectors: number(3),
                got,
                ..Recorded::default()
            });
        }
        let case = cases.last_mut().unwrap();
        match words[0] {
            "have" => case.have.push((small(1), number(2), number(3))),
            "want" => {
                let (start, size) = (words[2].parse().unwrap(), words[3].parse().unwrap());
                case.want.push(wipeable(sized(i64::from(small(1)), start, size)));
            }
            "got" => {
                case.got
                    .as_mut()
                    .unwrap()
                    .insert(small(1), (number(2), number(3)));
            }
            "refused" => case.got = None,
            _ => {}
        }
    }
    cases
}

#[test]
fn partitions_lie_where_sgdisk_puts_them() {
    let cases = recorded();
    assert!(cases.len() > 20);
    for recorded in cases {
        let sector = SectorSize::new(recorded.sector).unwrap();
        let size = Bytes(recorded.sectors * sector.bytes());
        let found = sound(table_of(size, sector, &recorded.have));
        let case = Case {
            size,
            sector,
            ..Case::new(found, recorded.want)
        };
        let got = case.plan().ok().map(|change| {
            let places = change.slots.iter().map(|slot| {
                let after = slot.after.as_ref().unwrap();
                (slot.number, (after.first.0, after.last.0))
            });
            places.collect::<OrderedMap<_, _>>()
        });
        assert_eq!(got, recorded.got, "{}", recorded.name);
    }
}

/// Numbers that look random and are the same in every run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn signed(&mut self, limit: u64) -> i64 {
        i64::try_from(self.below(limit)).unwrap()
    }

    fn chance(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    fn case(&mut self) -> Case {
        let sector = if self.chance(3) {
            SectorSize::S4096
        } else {
            SectorSize::S512
        };
        let size = Bytes(64 * MIB);
        let mut table = table_of(size, sector, &[]);
        let mut free = table.first_usable.0;
        for number in 1..=u32::try_from(self.below(6)).unwrap() {
            let mib = MIB / sector.bytes();
            let gap = if self.chance(4) {
                self.below(mib)
            } else {
                self.below(8) * mib
            };
            let first = if self.chance(3) {
                free + gap
            } else {
                (free + gap).next_multiple_of(mib)
            };
            let last = first + mib / 2 + self.below(8 * mib);
            if last <= table.last_usable.0 {
                table
                    .entries
                    .insert(number * 2 - u32::from(self.chance(2)), entry(number, first, last));
                free = last + 1;
            }
        }
        let mut numbers: Vec<i64> = (1..9).collect();
        let partitions = (0..=self.below(4)).map(|index| {
            let at = usize::try_from(self.below(numbers.len().try_into().unwrap())).unwrap();
            let number = if self.chance(3) { 0 } else { numbers.remove(at) };
            if number != 0 && self.chance(5) {
                return wipeable(absent(number));
            }
            Partition {
                number,
                label: (number == 0 || self.chance(2)).then(|| format!("label{index}")),
                size_mib: (!self.chance(3)).then(|| self.signed(12)),
                start_mib: (!self.chance(3)).then(|| if self.chance(3) { 0 } else { self.signed(60) }),
                wipe_partition_entry: (!self.chance(4)).then_some(true),
                resize: self.chance(2).then_some(true),
                ..Partition::default()
            }
        });
        let partitions = partitions.collect();
        let found = if self.chance(6) {
            Found::Blank
        } else {
            sound(table)
        };
        let case = Case {
            size,
            sector,
            ..Case::new(found, partitions)
        };
        if self.chance(8) { case.wiped() } else { case }
    }
}

#[test]
fn planning_twice_changes_nothing() {
    let mut numbers = Numbers(0x5eed_0f4d_15c0);
    let mut planned = 0;
    for round in 0..6000 {
        let case = numbers.case();
        let Ok(first) = case.plan() else { continue };
        let context = || format!("round {round}\n{:#?}\n{:#?}\n{first:#?}", case.disk, case.found);
        if let Some(table) = &first.table {
            assert_eq!(table.check(), Ok(()), "{}", context());
        }
        planned += 1;
        let second = case.after(&first);
        let second = second
            .plan()
            .unwrap_or_else(|conflicts| panic!("{conflicts:#?}\n{}", context()));
        assert!(second.is_noop(), "{second:#?}\n{}", context());
        assert_eq!(
            second.slots.iter().map(|slot| slot.number).collect::<Vec<_>>(),
            first.slots.iter().map(|slot| slot.number).collect::<Vec<_>>(),
            "{}",
            context()
        );
    }
    assert!(planned > 500, "only {planned} cases could be planned");
}
