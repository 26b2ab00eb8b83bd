//! The reference's calls (engine.md 4.6.1, 4.6.2), by hand.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Makes groups and users with shadow's programs; what the first one that fails said.
pub(crate) fn apply(root: &Path, passwd: &Value) -> Result<(), String> {
    let list = |name: &str| passwd[name].as_array().cloned().unwrap_or_default();
    for group in list("groups") {
        let is_there = has(root, "group", &group);
        let name = text(&group, "name").unwrap();
        let mut arguments = Vec::new();
        if group["shouldExist"] == false {
            if is_there {
                call("groupdel", root, &[], &name)?;
            }
            continue;
        }
        option(&mut arguments, "--gid", number(&group, "gid"));
        option(&mut arguments, "--password", text(&group, "passwordHash"));
        if !is_there && group["system"] == true {
            arguments.push("--system".into());
        }
        call(
            if is_there { "groupmod" } else { "groupadd" },
            root,
            &arguments,
            &name,
        )?;
    }
    for user in list("users") {
        let is_there = has(root, "passwd", &user);
        let name = text(&user, "name").unwrap();
        let mut arguments = Vec::new();
        if user["shouldExist"] == false {
            if is_there {
                call("userdel", root, &["--remove".into()], &name)?;
            }
            continue;
        }
        let set = |member: &str| text(&user, member).filter(|value| !value.is_empty());
        let password = text(&user, "passwordHash");
        let password = password.map(|hash| if hash.is_empty() { "*".to_owned() } else { hash });
        if is_there {
            option(&mut arguments, "--home", set("homeDir"));
            if set("homeDir").is_some() {
                arguments.push("--move-home".into());
            }
            option(&mut arguments, "--password", password);
        } else {
            option(&mut arguments, "--home-dir", set("homeDir"));
            let home = if user["noCreateHome"] == true {
                "--no-create-home"
            } else {
                "--create-home"
            };
            arguments.push(home.into());
            for (member, flag) in [
                ("noUserGroup", "--no-user-group"),
                ("system", "--system"),
                ("noLogInit", "--no-log-init"),
            ] {
                arguments.extend((user[member] == true).then(|| flag.to_owned()));
            }
            option(
                &mut arguments,
                "--password",
                Some(password.unwrap_or_else(|| "*".into())),
            );
        }
        option(&mut arguments, "--uid", number(&user, "uid"));
        option(&mut arguments, "--comment", set("gecos"));
        option(&mut arguments, "--gid", set("primaryGroup"));
        let groups = user["groups"].as_array().cloned().unwrap_or_default();
        let groups: Vec<&str> = groups.iter().map(|group| group.as_str().unwrap()).collect();
        option(
            &mut arguments,
            "--groups",
            (!groups.is_empty()).then(|| groups.join(",")),
        );
        option(&mut arguments, "--shell", set("shell"));
        call(
            if is_there { "usermod" } else { "useradd" },
            root,
            &arguments,
            &name,
        )?;
    }
    Ok(())
}

fn has(root: &Path, database: &str, account: &Value) -> bool {
    let text = fs::read(root.join("etc").join(database)).unwrap();
    let text = String::from_utf8_lossy(&text).into_owned();
    text.lines()
        .any(|line| line.split(':').next() == account["name"].as_str())
}

fn text(account: &Value, member: &str) -> Option<String> {
    account[member].as_str().map(str::to_owned)
}

fn number(account: &Value, member: &str) -> Option<String> {
    account[member].as_i64().map(|number| number.to_string())
}

fn option(arguments: &mut Vec<String>, name: &str, value: Option<String>) {
    if let Some(value) = value {
        arguments.extend([name.to_owned(), value]);
    }
}

fn call(program: &str, root: &Path, arguments: &[String], name: &str) -> Result<(), String> {
    assert_ne!(root, Path::new("/"));
    let ran = Command::new(Path::new("/usr/sbin").join(program))
        .arg("--root")
        .arg(root)
        .args(arguments)
        .arg(name)
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    if ran.status.success() { Ok(()) } else { Err(said) }
}
