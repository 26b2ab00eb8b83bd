"""moto's S3 at 127.0.0.1:443, for s3.rs: a private and an open bucket, and a role that may read both.
usage: s3.py CERTIFICATE_AND_KEY
Prints the role's credentials as a line of JSON, the way the metadata service tells them, and serves until it is killed."""
import json, math, os, ssl, sys

os.environ.update(AWS_ACCESS_KEY_ID="setup", AWS_SECRET_ACCESS_KEY="setup", AWS_DEFAULT_REGION="us-east-1")

import boto3
from moto import mock_aws, settings
from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

REGION = "eu-west-1"


def document(**statement):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})


def role():
    iam = boto3.client("iam")
    trusts = document(Principal="*", Action="sts:AssumeRole")
    arn = iam.create_role(RoleName="node", AssumeRolePolicyDocument=trusts)["Role"]["Arn"]
    may = document(Action=["s3:GetObject", "s3:GetObjectVersion"], Resource="*")
    iam.put_role_policy(RoleName="node", PolicyName="read", PolicyDocument=may)
    told = boto3.client("sts").assume_role(RoleArn=arn, RoleSessionName="boot")["Credentials"]
    return {"AccessKeyId": told["AccessKeyId"], "SecretAccessKey": told["SecretAccessKey"], "Token": told["SessionToken"]}


def objects():
    s3 = boto3.client("s3", region_name=REGION)
    for bucket in ["private", "open", "with.dots"]:
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket="private", VersioningConfiguration={"Status": "Enabled"})
    put = lambda bucket, key, text, **more: s3.put_object(Bucket=bucket, Key=key, Body=text.encode(), **more)
    # Of characters that a signature escapes, and some that it leaves.
    first = put("private", "dir/a b+(c)~ä", "first")["VersionId"]
    put("private", "dir/a b+(c)~ä", "second")
    put("with.dots", "below/the/region", "dots")
    put("open", "greeting", "to all", ACL="public-read")
    put("open", "node.ign", json.dumps({"ignition": {"version": "3.4.0"}}), ACL="public-read")
    named = "s3://private/dir/a%20b%2B(c)~%C3%A4"
    sources = {
        "first": f"{named}?versionId={first}",
        "second": named,
        "dots": "s3://with.dots/below/the/region",
        "arn": "arn:aws:s3:::open/greeting",
    }
    files = [{"path": f"/etc/{name}", "contents": {"source": source}} for name, source in sources.items()]
    put("private", "node.ign", json.dumps({"ignition": {"version": "3.4.0"}, "storage": {"files": files}}))


class Judge:
    """moto judges the signatures of all requests or of none, and fails at one without. Such a request is spared here: of
    an object, moto still asks whether all may read it."""

    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        settings.INITIAL_NO_AUTH_ACTION_COUNT = 0 if "HTTP_AUTHORIZATION" in environ else math.inf
        return self.app(environ, start_response)


mock_aws().start()
objects()
told = role()
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(sys.argv[1])
app = Judge(DomainDispatcherApplication(create_backend_app))
# One request at a time: what Judge sets is all the process's.
server = make_server("127.0.0.1", 443, app, request_handler=MotoRequestHandler, ssl_context=tls)
print(json.dumps(told), flush=True)
server.serve_forever()
