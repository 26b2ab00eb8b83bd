//! Users and groups.

use super::*;

#[test]
fn accounts() {
    expect(&[
        (
            "2.1.0",
            r#""passwd":{"users":[{"name":"a","uid":0,"shell":"","create":{}}]}"#,
            &["/passwd/users/0/uid v2-invalid"],
        ),
        (
            "2.0.0",
            r#""passwd":{"users":[{"name":"a","uid":1}]}"#,
            &["warning /passwd/users/0/uid key-unknown"],
        ),
        (
            "2.3.0",
            r#""passwd":{"users":[{"name":"a","sshAuthorizedKeys":["planted-1"]},{"name":"a","sshAuthorizedKeys":["planted-2"]}]}"#,
            &["warning /passwd/users/1/sshAuthorizedKeys v2-changed"],
        ),
        (
            "2.3.0",
            r#""passwd":{"groups":[{"name":"a"},{"name":"a","gid":1}]}"#,
            &["/passwd/groups/1 v2-inexpressible"],
        ),
    ]);
    expect_made(&[
        (
            "2.3.0",
            r#""passwd":{"users":[{"name":"a","passwordHash":"planted-1","sshAuthorizedKeys":["k","l","k"],"groups":["g","g"],"uid":0},
                {"name":"b"},{"name":"a","passwordHash":"","sshAuthorizedKeys":["l","m"],"shell":"/s","gecos":""}],
                "groups":[{"name":"g","gid":0},{"name":"g","gid":0}]}"#,
            json!({"passwd":{"users":[{"name":"a","passwordHash":"","sshAuthorizedKeys":["k","l","m"],"groups":["g"],"uid":0,"shell":"/s"},
                {"name":"b"}],"groups":[{"name":"g","gid":0}]}}),
        ),
        (
            "2.0.0",
            r#""passwd":{"users":[{"name":"a","passwordHash":"","create":{"uid":0,"system":false}}]}"#,
            json!({"passwd":{"users":[{"name":"a","uid":0}]}}),
        ),
    ]);
}
