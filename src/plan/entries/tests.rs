use super::*;
use proptest::prelude::*;

fn wanted(exist: &[&str], not: &[&str]) -> Wanted {
    let owned = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    Wanted::new(&owned(exist), &owned(not)).unwrap()
}

/// Name, what shall be there, what shall not, an entry before and after.
type Row<'a> = (&'a str, &'a [&'a str], &'a [&'a str], &'a str, &'a str);

#[test]
fn arguments_of_an_entry() {
    let rows: &[Row<'_>] = &[
        ("missing", &["a=1"], &[], "options root=x", "options root=x a=1"),
        (
            "another value",
            &["a=1"],
            &[],
            "options a=12 a",
            "options a=12 a a=1",
        ),
        (
            "unwanted",
            &[],
            &["quiet"],
            "options ro quiet quiet quietly",
            "options ro quietly",
        ),
        (
            "a key of that name is another word",
            &[],
            &["a"],
            "options a=1 xa",
            "options a=1 xa",
        ),
        (
            "in exchange",
            &["a=2"],
            &["a=1"],
            "options a=1 b\n",
            "options b a=2\n",
        ),
        (
            "other keys",
            &["ro"],
            &["x"],
            "title x ro\nlinux /x\noptions b\nversion x\n",
            "title x ro\nlinux /x\noptions b ro\nversion x\n",
        ),
        (
            "comments",
            &[],
            &["a"],
            "# options a\n #a\noptions b a\n",
            "# options a\n #a\noptions b\n",
        ),
        (
            "several lines",
            &["c"],
            &["a"],
            "options a b\nlinux /l\noptions d\n",
            "options b\nlinux /l\noptions d c\n",
        ),
        (
            "a line that is emptied",
            &["b"],
            &["a"],
            "options a\noptions b\n",
            "options b\n",
        ),
        ("no line", &["a"], &[], "linux /l\n", "linux /l\noptions a\n"),
        (
            "no line end",
            &["a", "b"],
            &[],
            "linux /l",
            "linux /l\noptions a b\n",
        ),
        (
            "a key alone",
            &["a"],
            &[],
            "options\nlinux /l\n",
            "options a\nlinux /l\n",
        ),
        (
            "CRLF",
            &["a"],
            &["b"],
            "linux /l\r\noptions b c\r\n",
            "linux /l\r\noptions c a\r\n",
        ),
        (
            "CRLF, no line",
            &["a"],
            &[],
            "linux /l\r\n",
            "linux /l\r\noptions a\r\n",
        ),
        (
            "blanks",
            &["c"],
            &[],
            "  options \t a   b  \n",
            "  options \t a b c\n",
        ),
        (
            "quotes hold a word together",
            &[],
            &["+p"],
            "options d=\"f x +p\"\n",
            "options d=\"f x +p\"\n",
        ),
        (
            "a quoted word",
            &["d=\"f +p\""],
            &[],
            "options \"d=f +p\"\n",
            "options \"d=f +p\"\n",
        ),
        (
            "a quoted word, new",
            &["d=\"f +p\""],
            &["e=\"1 2\""],
            "options e=\"1 2\" a\n",
            "options a d=\"f +p\"\n",
        ),
        (
            "several words are a row",
            &["a b"],
            &["c d"],
            "options a x b c d c\n",
            "options a x b c a b\n",
        ),
        (
            "behind --",
            &["a"],
            &[],
            "options ro -- single\n",
            "options ro a -- single\n",
        ),
        ("an empty argument", &[""], &[" "], "options b\n", "options b\n"),
        (
            "other variables stay",
            &["a"],
            &[],
            "options $tuned $first b\n",
            "options $tuned $first b a\n",
        ),
    ];
    for (row, exist, not, text, expected) in rows {
        let wanted = wanted(exist, not);
        let changed = entry(text, &wanted).unwrap();
        assert_eq!(changed.as_deref().unwrap_or(text), *expected, "{row}");
        assert_eq!(changed.is_some(), text != expected, "{row}");
        assert_eq!(entry(expected, &wanted), Ok(None), "{row}");
    }
}

#[test]
fn what_cannot_be_changed_is_refused_only_where_it_would_have_to() {
    for (row, exist, not, text, expected) in [
        (
            "GRUB's environment",
            "a",
            "",
            "options $kernelopts b",
            Err(Unfit::Shared),
        ),
        ("its words are right", "b", "", "options $kernelopts b", Ok(None)),
        ("a quote", "a", "", "options b=\"c", Err(Unfit::Quotes)),
        (
            "a part of the other",
            "a b",
            "b",
            "options x",
            Err(Unfit::Contradicted("b".into())),
        ),
        (
            "words that meet",
            "b",
            "a b",
            "options a",
            Err(Unfit::Contradicted("a b".into())),
        ),
    ] {
        assert_eq!(entry(text, &wanted(&[exist], &[not])), expected, "{row}");
    }
    for (exist, not, expected) in [
        ("a\nb", "", Unfit::Argument("a\nb".into())),
        ("", "a\"", Unfit::Argument("a\"".into())),
        ("a  b", "a b", Unfit::Contradicted("a b".into())),
    ] {
        assert_eq!(Wanted::new(&[exist.into()], &[not.into()]), Err(expected));
    }
}

#[test]
fn arguments_of_later_kernels() {
    for (text, expected) in [
        ("root=x quiet\n", "root=x a\n"),
        ("# quiet\nroot=x", "# quiet\nroot=x a"),
        ("", "a\n"),
        ("quiet\n", "a\n"),
        ("root=x\nquiet\n", "root=x\na\n"),
    ] {
        let changed = command_line(text, &wanted(&["a"], &["quiet"])).unwrap();
        assert_eq!(changed.as_deref(), Some(expected), "{text:?}");
    }
}

#[test]
fn only_entries_of_kernels_count() {
    for (text, expected) in [
        ("title x\nlinux /vmlinuz\n", true),
        ("\tlinux\t/vmlinuz\r\n", true),
        ("# linux /vmlinuz\n", false),
        ("efi /shell.efi\noptions x\n", false),
        ("linuxish /x\n", false),
    ] {
        assert_eq!(starts_kernel(text), expected, "{text:?}");
    }
}

#[test]
fn what_is_unmet_is_named() {
    let wanted = wanted(&["a=1", "b"], &["quiet"]);
    assert_eq!(wanted.unmet("a=1 \"b\"\n"), [""; 0]);
    assert_eq!(wanted.unmet("a=11 quiet b"), ["it lacks a=1", "it has quiet"]);
}

#[test]
fn what_follows_from_entries_and_running_kernel() {
    let rows = crate::plan::page::table("### After the boot entries");
    assert_eq!(rows.len(), 4);
    for row in rows {
        let [changed, in_effect, expected] = row[..] else {
            panic!("{row:?}")
        };
        let next = match expected {
            "the boot goes on" => Next::Nothing,
            "the machine boots again" => Next::Reboot,
            "refused: `kernel-arguments-not-in-effect`" => Next::Fail,
            other => panic!("{other}"),
        };
        assert_eq!(decide(changed == "yes", in_effect == "yes"), next, "{row:?}");
    }
}

#[test]
fn partitions_that_may_hold_entries() {
    for (said, expected) in [
        (
            "TYPE=vfat\nPART_ENTRY_TYPE=c12a7328-f81f-11d2-ba4b-00a0c93ec93b\n",
            true,
        ),
        (
            "TYPE=ext4\nPART_ENTRY_TYPE=bc13c2ff-59e6-4262-a352-b275fd6f7172\n",
            true,
        ),
        ("TYPE=vfat\nPART_ENTRY_TYPE=0xef\n", true),
        ("LABEL=boot\nTYPE=ext4\n", true),
        ("LABEL=boot2\nTYPE=ext4\n", false),
        ("LABEL=boot\nTYPE=crypto_LUKS\n", false),
        (
            "TYPE=linux_raid_member\nPART_ENTRY_TYPE=c12a7328-f81f-11d2-ba4b-00a0c93ec93b\n",
            false,
        ),
        ("TYPE=LVM2_member\nPART_ENTRY_TYPE=0xea\n", false),
        ("LABEL=boot\nTYPE=swap\n", false),
        ("PART_ENTRY_TYPE=bc13c2ff-59e6-4262-a352-b275fd6f7172\n", false),
        ("", false),
    ] {
        assert_eq!(may_hold_entries(said), expected, "{said:?}");
    }
}

#[test]
fn the_root_device_of_a_command_line() {
    for (line, expected) in [
        ("root=LABEL=my\\root ro", Some("/dev/disk/by-label/my\\x5croot")),
        (
            "root=/dev/vda1 root=PARTUUID=ab-01",
            Some("/dev/disk/by-partuuid/ab-01"),
        ),
        ("root=\"LABEL=a b\"", Some("/dev/disk/by-label/a\\x20b")),
        ("root=live:CDLABEL=x", None),
        ("xroot=/dev/vda", None),
        ("root=tmpfs", None),
    ] {
        assert_eq!(root_device(line).as_deref(), expected, "{line}");
    }
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ab]=?[ab12]?",
        Just("--".to_owned()),
        Just("a=\"b a\"".to_owned()),
        Just("$tuned".to_owned()),
    ]
}

fn line() -> impl Strategy<Value = String> {
    let list = proptest::collection::vec(word(), 0..5);
    prop_oneof![
        (list, "[ \t]{1,2}").prop_map(|(words, blank)| format!("options{blank}{}", words.join(&blank))),
        Just("linux /vmlinuz a b".to_owned()),
        Just("# options a b".to_owned()),
        Just(String::new()),
        Just("options".to_owned()),
    ]
}

proptest! {
    #[test]
    fn an_entry_is_changed_once_and_only_where_its_arguments_stand(
        lines in proptest::collection::vec(line(), 0..5),
        end in prop_oneof![Just("\n"), Just("\r\n")],
        exist in proptest::collection::vec("[ab]=?[ab12]?|a=\"b a\"", 0..4),
        not in proptest::collection::vec("[ab]=?[ab12]?", 0..4),
    ) {
        let Ok(wanted) = Wanted::new(&exist, &not) else { return Ok(()) };
        let text: String = lines.iter().flat_map(|line| [line.as_str(), end]).collect();
        let Some(changed) = entry(&text, &wanted).unwrap() else {
            return Ok(());
        };
        prop_assert_eq!(entry(&changed, &wanted), Ok(None));
        let others = |text: &str| {
            let lines = text.split_inclusive('\n').filter(|line| !line.starts_with("options"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        prop_assert_eq!(others(&changed), others(&text));
        let all = |text: &str| {
            let options = text.lines().filter_map(|line| line.strip_prefix("options"));
            options.flat_map(words).map(str::to_owned).collect::<Vec<_>>()
        };
        let (before, after) = (all(&text), all(&changed));
        let bare = |word: &String| word.replace('"', "");
        for argument in &exist {
            let count = |list: &[String]| list.iter().filter(|word| bare(word) == bare(argument)).count();
            prop_assert_eq!(count(&after), count(&before).max(1), "{}", argument);
        }
        for argument in &not {
            prop_assert!(!after.iter().any(|word| bare(word) == bare(argument)), "{}", argument);
        }
        // What is neither wanted nor unwanted stays, in its order.
        let known: Vec<String> = exist.iter().chain(&not).map(bare).collect();
        let rest = |list: Vec<String>| list.into_iter().filter(|word| !known.contains(&bare(word))).collect::<Vec<_>>();
        prop_assert_eq!(rest(after), rest(before));
    }
}
