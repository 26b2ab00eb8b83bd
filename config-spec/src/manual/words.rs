//! What the page says beside its tables.

use crate::version::Version;

pub(super) const HEAD: &str = "\
# The config language

This page is made from the table of fields in `config-spec/src/fields` (`make language`); a test compares the two.
What becomes of a config on a machine is in [semantics](semantics.md), and where it differs from the reference engine
in [differences](differences.md).

A config is one JSON object in UTF-8. The smallest one is `{\"ignition\": {\"version\": \"3.6.0\"}}`.

- `null` is the same as absence, except where an object belongs: that draws a warning.
- A member that the document's version does not have is ignored with a warning, and one in other letter case is read
  with a warning. Inside [`kindling`](#kindling) both are errors.
- A wrong type is an error: `\"420\"` is no integer, and neither is `420.0`.
- Lengths are counted in bytes of UTF-8.
- Two entries of a list with the same key are an error; lists that are appended have no keys.
- The same language in YAML is Butane: members are written with underscores (`sizeMiB` is `size_mib`), `variant` and
  `version` stand for `ignition.version`, modes may be octal, and contents stand as they are behind `inline`. Each example
  below is shown in both.
- Editors complete and explain a config with one of the JSON Schemas of `kindling schema VERSION`, which are also in
  `config-spec/schema`. What a schema cannot say, such as how members depend on each other, only the rules say.

In the tables below *Since* is the first version with the member, and *Absent* is what its absence stands for: a value,
`–` for nothing or for what the meaning says, or a refusal.";

pub(super) const VERSIONS: &str = "
## Versions

`ignition.version` names exactly one of these. Configs of different versions can be merged; each is held to the rules of
its own.

| Version | New members and words | Else |
|---|---|---|
";

/// What a version changed beside members and words.
pub(super) fn of_version(version: Version) -> &'static str {
    match version {
        Version::V3_0_0 => "URLs of `http`, `https`, `tftp`, `s3`, `data`; hashes of `sha512`",
        Version::V3_1_0 => "hashes of `sha256`; configs to merge and authorities need a `source`",
        Version::V3_2_0 => "URLs of `gs`",
        Version::V3_3_0 => "a link needs a target; a custom pin may leave out what it does not need",
        Version::V3_4_0 => "URLs of `arn`",
        Version::V3_5_0 | Version::V3_7_0Experimental => "–",
        Version::V3_6_0 => "setuid, setgid and sticky bits of a mode count; any clevis pin",
    }
}

pub(super) const MERGING: &str = "
## Merging

A config of `ignition.config.merge` is laid over the one that refers to it; base configs of the image lie below all.

| What | Parent and child become |
|---|---|
| a text, an integer, a boolean | the child's if it has one, also `false`, `0` and the empty text; nothing unsets a value |
| an object | merged member by member |
| a list with a key | the parent's entries in their order, each merged with the child's of the same key; then what only the child has |
| lists that share a key | as above; an entry of the child also removes the parent's of that key from the other lists |
| a list that is appended | the parent's entries, then the child's; twins stay |
| `httpHeaders` | by name; a child's header without a value removes the parent's |
| an object by name (extension) | by name, member by member |
| `kindling.node.kubelet.config` | its members by name, each as a whole |

- `contents` is an object: a child that changes only the `source` inherits the `verification` of its parent.
- An empty list removes nothing.
- A partition known by its number and one known by its label are two partitions.
- Two valid configs may make an invalid one; the merged config is checked once more.
";

pub(super) const IGNITION: &str = "\
Everything that is fetched is fetched by these settings, the referenced configs included.
";

pub(super) const STORAGE: &str = "\
It is made in this order: partitions, arrays, encrypted volumes, file systems; then, on the mounted file systems and
after the accounts, directories, files and links. Nothing that exists is destroyed without a member that permits it.
";

pub(super) const SYSTEMD: &str = "\
Units are written to `/etc/systemd/system`, drop-ins to a directory beside them; `storage.files` must not name the same
paths. A unit of the image can be enabled, masked or given drop-ins without `contents`.
";

pub(super) const PASSWD: &str = "\
Accounts are looked up in the new root, so that an account of the image is changed and not made twice.
";

pub(super) const KERNEL_ARGUMENTS: &str = "\
An argument that is there already is not added again.
";

pub(super) const EXTENSION: &str = "\
The section has a version of its own, and is the same in documents of every spec version. A config with it can serve
other engines too, which ignore it with a warning. It merges like the rest.

Some servers of configs drop members they do not know. So the same object may also be the contents of the file
`/etc/kindling/config.json` of `storage.files`: inline (`data:`), not compressed, with nothing appended. The section, if
there is one too, is merged over it. The file is then written like any other: give it the mode 384 (0600) if it holds a
token.

What needs the whole config is checked when all is merged: a token needs a `server`, a client certificate its key, and
every path of `files` a file of `storage.files`.
";

/// What a shared object is.
pub(super) fn of_shared(name: &str) -> &'static str {
    match name {
        "reference" => {
            "A config or an authority to fetch. In a list of them an entry needs a `source` that is not empty."
        }
        "contents" => "The contents of a file, or a key.",
        "resource" => "The same in the extension, with all of it in documents of every version.",
        "verification" => "A digest that fetched bytes must have.",
        "httpHeader" => "A header of a request.",
        _ => "An owning user or group, by id or by name.",
    }
}
