//! Configs drawn at random, each from its number.

use serde_json::{Value, json};

use crate::roots;
use crate::same::compare;
use crate::sandbox::require_root;

/// Numbers from a seed (xorshift).
struct Draw(u64);

impl Draw {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit).unwrap()).unwrap()
    }

    fn often(&mut self) -> bool {
        self.below(3) > 0
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}

const NAMES: [&str; 9] = [
    "ada", "bob", "core", "guest", "open", "first", "team", "root", "crew",
];
const GROUPS: [&str; 7] = ["root", "team", "crew", "100", "core", "second", "adm"];
const NUMBERS: [i64; 7] = [1000, 1002, 1003, 1005, 207, 3000, 60000];

fn passwd(seed: u64) -> Value {
    let mut draw = Draw(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let (mut users, mut groups) = (Vec::<Value>::new(), Vec::<Value>::new());
    let is_new = |list: &[Value], name: &str| list.iter().all(|one| one["name"] != name);
    for _ in 0..draw.below(3) {
        let name = draw.one(&NAMES);
        let mut group = json!({ "name": name });
        if !draw.often() {
            group["gid"] = json!(draw.one(&NUMBERS));
        }
        if !draw.often() {
            group["passwordHash"] = json!("$6$group");
        }
        group["system"] = json!(!draw.often());
        group["shouldExist"] = json!(draw.often() || draw.often());
        if is_new(&groups, name) {
            groups.push(group);
        }
    }
    for _ in 0..=draw.below(3) {
        let name = draw.one(&NAMES);
        let mut user = json!({ "name": name });
        for (member, values) in [
            ("passwordHash", &["", "$6$user"][..]),
            ("gecos", &["", "A, B"]),
            ("homeDir", &["/home/core", "/srv/new", "/home/deep/er"]),
            ("primaryGroup", &["root", "team", "100", "crew", "missing"]),
            ("shell", &["/bin/sh", "/bin/other", "*"]),
        ] {
            if !draw.often() {
                user[member] = json!(draw.one(values));
            }
        }
        if !draw.often() {
            user["uid"] = json!(draw.one(&NUMBERS));
        }
        let mut further: Vec<&str> = (0..draw.below(3)).map(|_| draw.one(&GROUPS)).collect();
        further.sort_unstable();
        further.dedup();
        user["groups"] = json!(further);
        for member in ["system", "noCreateHome", "noUserGroup", "noLogInit"] {
            user[member] = json!(!draw.often() && !draw.often());
        }
        user["shouldExist"] = json!(draw.often() || draw.often());
        if is_new(&users, name) {
            users.push(user);
        }
    }
    json!({ "users": users, "groups": groups })
}

#[test]
fn drawn_configs_leave_the_same_tree() {
    require_root();
    let done = (0..120).filter(|seed| {
        let root = roots::ALL[usize::try_from(*seed).unwrap() % roots::ALL.len()];
        compare(root, &passwd(*seed))
    });
    let done = done.count();
    assert!(done > 20, "only {done} were done");
}
