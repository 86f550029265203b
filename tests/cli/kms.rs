//! Keys in AWS KMS, which here is `FakeKms` on loopback.

use std::io::{Read as _, Write as _};
use std::process::Command;
use std::sync::mpsc;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use waxseal::kms::KmsKeyring;
use waxseal::testing::{FakeKms, Fault, KeySpec, NewKey, Operation};

use super::{Done, Folder, PROGRAM};

#[path = "../../examples/fake_kms_server/serve.rs"]
pub(super) mod serve;

const IRELAND: &str = "eu-west-1";
const VIRGINIA: &str = "us-east-1";

/// An AWS KMS on loopback, and a folder with a file `in`.
struct World {
    kms: FakeKms,
    endpoint: String,
    folder: Folder,
    runtime: Runtime,
}

impl World {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let kms = FakeKms::new();
        runtime.spawn(serve::serve(listener, kms.clone()));
        let folder = Folder::new();
        folder.write("in", "hello");
        Self { kms, endpoint, folder, runtime }
    }

    fn key(&self, region: &str, key: impl Into<NewKey>) -> String {
        self.kms.create_key(region, key).unwrap()
    }

    /// Only what it is given is in its environment.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(args).current_dir(self.folder.path(""));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("AWS_") {
                command.env_remove(name);
            }
        }
        command
            .env("HOME", self.folder.path(""))
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_ACCESS_KEY_ID", "AKIAFAKEKMS")
            .env("AWS_SECRET_ACCESS_KEY", "none")
            .env("AWS_ENDPOINT_URL_KMS", &self.endpoint);
        command
    }

    fn run(&self, args: &[&str]) -> Done {
        self.command(args).output().unwrap().into()
    }

    fn encrypt(&self, key: &str) {
        let args = ["encrypt", "-k", key, "-c", "tenant=42", "-i", "in", "-o", "out", "--force"];
        self.run(&args).ok();
    }

    fn decrypt(&self, key: &str) -> Done {
        self.run(&["decrypt", "-k", key, "-i", "out"])
    }
}

#[test]
fn a_key_encrypts_and_decrypts() {
    let world = World::new();
    let arn = world.key(IRELAND, KeySpec::Symmetric);
    let key = format!("kms:key={arn}");
    world.encrypt(&key);
    assert_eq!(world.decrypt(&key).ok(), b"hello");
    // The region is that of the key, though the environment says another.
    let other =
        world.command(&["decrypt", "-k", &key, "-i", "out"]).env("AWS_REGION", VIRGINIA).output();
    assert_eq!(Done::from(other.unwrap()).ok(), b"hello");
    // The library reads it, and the other way round.
    let keyring = KmsKeyring::new(world.kms.client(IRELAND), &arn).unwrap();
    let message = world.folder.read("out");
    let opened =
        world.runtime.block_on(async { waxseal::decrypt(&message, &keyring).await }).unwrap();
    assert_eq!(opened.plaintext(), b"hello");
    let message = world.runtime.block_on(async { waxseal::encrypt(b"x", &keyring).await }).unwrap();
    world.folder.write("out", &*message);
    assert_eq!(world.decrypt(&key).ok(), b"x");
}

#[test]
fn endpoint_and_profile_can_be_in_the_key() {
    let world = World::new();
    let arn = world.key(IRELAND, KeySpec::Symmetric);
    world.folder.write(
        ".aws/credentials",
        "[team]\naws_access_key_id = AKIAFAKEKMS\naws_secret_access_key = none\n",
    );
    let endpoint = world.endpoint.replace(',', "%2C");
    let key = format!("kms:key={arn},endpoint={endpoint},profile=team");
    let mut command = world.command(&["encrypt", "-k", &key, "-i", "in", "-o", "out"]);
    for name in ["AWS_ENDPOINT_URL_KMS", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        command.env_remove(name);
    }
    Done::from(command.output().unwrap()).ok();
    assert_eq!(world.decrypt(&key).ok(), b"hello");
}

#[test]
fn a_profile_that_is_named_is_the_one_used() {
    let world = World::new();
    let arn = world.key(IRELAND, KeySpec::Symmetric);
    // There are credentials in the environment, but these are not the ones that were asked for.
    let key = format!("kms:key={arn},profile=team");
    world.run(&["encrypt", "-k", &key, "-i", "in", "-o", "out"]).refuses(4, "no valid credentials");
    assert!(world.kms.calls().is_empty());
}

/// The service for roles does not know what region a key is in: whoever asks it has to.
#[test]
fn a_profile_may_assume_a_role() {
    let world = World::new();
    let arn = world.key(IRELAND, KeySpec::Symmetric);
    world.folder.write(
        ".aws/config",
        "[profile team]\nrole_arn = arn:aws:iam::111122223333:role/sealer\nsource_profile = base\n\n\
         [profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = none\n",
    );
    let roles = Roles::start();
    let key = format!("kms:key={arn},profile=team");
    for args in [
        ["encrypt", "-k", &key, "-i", "in", "-o", "out"],
        ["decrypt", "-k", &key, "-i", "out", "-o", "back"],
    ] {
        let done = world.command(&args).env("AWS_ENDPOINT_URL_STS", &roles.endpoint).output();
        Done::from(done.unwrap()).ok();
        let asked = roles.asked.recv().unwrap();
        assert!(
            asked.contains("role%2Fsealer") && asked.contains("Credential=AKIABASE"),
            "{asked}"
        );
        assert!(asked.contains("/eu-west-1/sts/"), "{asked}");
    }
    assert_eq!(world.folder.read("back"), b"hello");
}

/// Gives anybody the role that they ask for, and tells what they said.
struct Roles {
    endpoint: String,
    asked: mpsc::Receiver<String>,
}

impl Roles {
    fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (tell, asked) = mpsc::channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                // The body comes last, and ends with the last parameter of the form.
                while !String::from_utf8_lossy(&request).contains("&RoleSessionName=") {
                    let mut part = [0; 4096];
                    let len = stream.read(&mut part).unwrap();
                    assert_ne!(len, 0, "{}", String::from_utf8_lossy(&request));
                    request.extend_from_slice(&part[..len]);
                }
                let body = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
                    <Credentials><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>none</SecretAccessKey>\
                    <SessionToken>token</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration></Credentials>\
                    </AssumeRoleResult></AssumeRoleResponse>";
                let len = body.len();
                write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/xml\r\nContent-Length: {len}\r\n\r\n{body}").unwrap();
                if tell.send(String::from_utf8_lossy(&request).into_owned()).is_err() {
                    return;
                }
            }
        });
        Self { endpoint, asked }
    }
}

#[test]
fn an_alias_encrypts_and_the_arn_decrypts() {
    let world = World::new();
    let arn = world.key(IRELAND, KeySpec::Symmetric);
    world.kms.create_alias(IRELAND, "alias/x", &arn).unwrap();
    let alias = "kms:key=alias/x,region=eu-west-1";
    world.encrypt(alias);
    world.decrypt(alias).refuses(4, "`alias/x` is not the ARN of a key");
    assert_eq!(world.decrypt(&format!("kms:key={arn}")).ok(), b"hello");
    world.run(&["encrypt", "-k", "kms:key=alias/x", "-i", "in", "-o", "new"]).refuses(2, "region");
}

#[test]
fn a_replica_opens_what_the_primary_wrapped() {
    let world = World::new();
    let primary = world.key(IRELAND, NewKey::new(KeySpec::Symmetric).multi_region());
    let replica = world.kms.replicate(&primary, VIRGINIA).unwrap();
    world.encrypt(&format!("kms-mrk:key={primary}"));
    assert_eq!(world.decrypt(&format!("kms-mrk:key={replica}")).ok(), b"hello");
    world.decrypt(&format!("kms:key={replica}")).refuses(4, "none has a key that it asks for");
    let discovery = "kms-mrk-discovery:partition=aws,account=111122223333,region=us-east-1";
    assert_eq!(world.decrypt(discovery).ok(), b"hello");
}

#[test]
fn discovery_asks_the_accounts_and_regions_that_it_was_given() {
    let world = World::new();
    let arn = world.key(VIRGINIA, KeySpec::Symmetric);
    world.encrypt(&format!("kms:key={arn}"));
    let in_account = |account| {
        format!(
            "kms-discovery:partition=aws,account=444455556666,account={account},region=eu-west-1,region=us-east-1"
        )
    };
    assert_eq!(world.decrypt(&in_account("111122223333")).ok(), b"hello");
    world.decrypt(&in_account("777788889999")).refuses(4, "none has a key that it asks for");
    assert_eq!(world.decrypt("kms-discovery:region=us-east-1").ok(), b"hello");
    world.decrypt("kms-discovery:region=eu-west-1").refuses(4, "use a client for us-east-1");
    world.decrypt("kms-discovery:partition=aws,region=us-east-1").refuses(2, "`account`");
    let args = ["encrypt", "-k", "kms-discovery:region=us-east-1", "-i", "in", "-o", "new"];
    world.run(&args).refuses(2, "cannot encrypt");
}

#[test]
fn rsa_encrypts_without_aws() {
    let world = World::new();
    let arn = world.key(IRELAND, KeySpec::Rsa2048);
    let base = format!("kms-rsa:key={arn},algorithm=RSAES_OAEP_SHA_256");
    // The public key is fetched if it is not there.
    let encrypt = |key: &str| {
        ["encrypt", "-k", key, "--suite", "0x0478", "-i", "in", "-o", "out", "--force"]
            .map(str::to_owned)
    };
    let run = |args: &[String]| world.run(&args.iter().map(String::as_str).collect::<Vec<_>>());
    run(&encrypt(&base)).ok();
    assert_eq!(world.kms.count(Operation::GetPublicKey), 1);
    assert_eq!(world.decrypt(&base).ok(), b"hello");
    let fetch = async {
        let client = world.kms.client(IRELAND);
        waxseal::kms::KmsRsaKeyring::fetch_public_key(&client, &arn, &[]).await.unwrap()
    };
    world.folder.write("public", world.runtime.block_on(fetch).to_pem().unwrap());
    let calls = world.kms.calls().len();
    let offline = format!("{base},public=public");
    let mut command = world.command(&[]);
    command.args(encrypt(&offline)).env_remove("AWS_ACCESS_KEY_ID");
    Done::from(command.output().unwrap()).ok();
    assert_eq!(world.kms.calls().len(), calls);
    assert_eq!(world.decrypt(&base).ok(), b"hello");
    let signed = ["encrypt", "-k", &offline, "-i", "in", "-o", "new"];
    let done = world.run(&signed).fails(4, "signature");
    assert!(done.stderr.contains("--suite 0x0478"), "{}", done.stderr);
}

#[test]
fn ecdh_agrees_with_a_key_of_ones_own() {
    let world = World::new();
    let arn = world.key(IRELAND, KeySpec::EccP256);
    world.run(&["keygen", "--kind", "ec-p256", "--out", "mine"]).ok();
    let theirs = format!("kms-ecdh:schema=static,key={arn},curve=p256,public=mine.pub");
    world.encrypt(&theirs);
    assert_eq!(world.decrypt(&theirs).ok(), b"hello");
    let fetch = async {
        let client = world.kms.client(IRELAND);
        waxseal::kms::KmsEcdhKeyring::fetch_public_key(&client, &arn, &[]).await.unwrap()
    };
    world.folder.write("theirs.pub", world.runtime.block_on(fetch).to_pem().unwrap());
    let mine = "raw-ecdh:schema=static,curve=p256,private=mine,public=theirs.pub";
    assert_eq!(world.decrypt(mine).ok(), b"hello");
    world.encrypt("raw-ecdh:schema=ephemeral,curve=p256,public=theirs.pub");
    let discovery = format!("kms-ecdh:schema=discovery,key={arn},curve=p256");
    assert_eq!(world.decrypt(&discovery).ok(), b"hello");
    let own = format!("{discovery},own=theirs.pub");
    let fetched = world.kms.count(Operation::GetPublicKey);
    assert_eq!(world.decrypt(&own).ok(), b"hello");
    assert_eq!(world.kms.count(Operation::GetPublicKey), fetched);
    for (key, words) in [
        (format!("kms-ecdh:schema=static,key={arn},curve=p256"), "`public`"),
        (format!("{discovery},public=mine.pub"), "`public`"),
        (format!("kms-ecdh:key={arn},curve=p256"), "`schema`"),
        (format!("kms-ecdh:schema=discovery,key={arn},curve=p384"), "P-256"),
    ] {
        world.decrypt(&key).refuses(2, words);
    }
    world.run(&["encrypt", "-k", &discovery, "-i", "in", "-o", "new"]).refuses(2, "only decrypts");
}

#[test]
fn grant_tokens_are_sent() {
    let world = World::new();
    let arn = world.key(IRELAND, KeySpec::Symmetric);
    let token = world.kms.create_grant(&arn).unwrap();
    world.encrypt(&format!("kms:key={arn},grant-token={token}"));
    assert_eq!(world.kms.calls()[0].grant_tokens, [token]);
    world.decrypt(&format!("kms:key={arn},grant-token=none")).refuses(4, "grant token");
}

#[test]
fn files_share_a_data_key_if_told_so() {
    let world = World::new();
    let arn = world.key(IRELAND, KeySpec::Symmetric);
    let key = format!("kms:key={arn}");
    for name in ["a", "b", "c/d"] {
        world.folder.write(&format!("folder/{name}"), name);
    }
    let run = |command, caching, from, to| {
        world.kms.clear_calls();
        let args = [command, "-k", &key, "--caching", caching, "-r", "-i", from, "-o", to];
        world.run(&args).ok();
        world.kms.calls().len()
    };
    assert_eq!(run("encrypt", "capacity=1,max-age=60", "folder", "sealed"), 1);
    assert_eq!(run("decrypt", "capacity=1,max-age=60", "sealed", "opened"), 1);
    assert_eq!(world.folder.read("opened/c/d.encrypted.decrypted"), b"c/d");
    assert_eq!(run("encrypt", "capacity=1,max-age=60,max-messages=2", "folder", "two"), 2);
    assert_eq!(run("encrypt", "capacity=1,max-age=60,max-bytes=1", "folder", "one"), 3);
    for (caching, words) in [
        ("capacity=0,max-age=60", "capacity"),
        ("capacity=1,max-age=0", "age"),
        ("capacity=1", "`max-age` is missing"),
        ("max-age=1", "`capacity` is missing"),
        ("capacity=x,max-age=1", "`capacity` is not a number"),
        ("capacity=1,max-age=1,max-messages=0", "messages"),
        ("capacity=1,max-age=1,size=1", "`size`"),
    ] {
        let args = ["encrypt", "-k", &key, "--caching", caching, "-i", "in", "-o", "new"];
        world.run(&args).refuses(2, words);
    }
}

#[test]
fn several_files_at_once_ask_for_their_data_keys() {
    let world = World::new();
    let key = format!("kms:key={}", world.key(IRELAND, KeySpec::Symmetric));
    for number in 0..30 {
        world.folder.write(&format!("folder/{number}"), format!("file {number}"));
    }
    for (command, from, to) in [("encrypt", "folder", "sealed"), ("decrypt", "sealed", "opened")] {
        world.kms.clear_calls();
        let args = [command, "-k", &key, "--threads", "8", "-r", "-i", from, "-o", to];
        world.run(&args).ok();
        assert_eq!(world.kms.calls().len(), 30, "{command}");
    }
    for number in 0..30 {
        let opened = world.folder.read(&format!("opened/{number}.encrypted.decrypted"));
        assert_eq!(opened, format!("file {number}").into_bytes());
    }
}

#[test]
fn failures_say_what_to_do() {
    let world = World::new();
    let arn = world.key(IRELAND, KeySpec::Symmetric);
    let key = format!("kms:key={arn}");
    world.encrypt(&key);
    world.kms.deny(&arn, Operation::Decrypt).unwrap();
    let done = world.decrypt(&key).fails(4, "`kms:Decrypt`");
    assert!(done.stderr.contains(&arn) && done.stderr.contains("AWS_PROFILE"), "{}", done.stderr);
    world.kms.disable(&arn).unwrap();
    let args = ["encrypt", "-k", &key, "-i", "in", "-o", "new"];
    world.run(&args).refuses(4, "the key is disabled");
    world.kms.enable(&arn).unwrap();
    world.kms.inject(Fault::throttled().always());
    world.run(&args).refuses(4, "too many calls");
    world.kms.clear_faults();
    world.kms.inject(Fault::connection_reset().always());
    world.run(&args).refuses(4, "no connection");
    world.kms.clear_faults();
    let elsewhere = format!("{key},region=us-east-1");
    world
        .run(&["encrypt", "-k", &elsewhere, "-i", "in", "-o", "new"])
        .refuses(4, "use a client for eu-west-1");
    let mut alone = world.command(&args);
    alone.env_remove("AWS_ACCESS_KEY_ID");
    Done::from(alone.output().unwrap()).refuses(4, "no valid credentials");
    assert!(!world.folder.names().contains(&"new".to_owned()), "nothing was written");
}

#[test]
fn what_is_no_key_is_2() {
    let world = World::new();
    for (key, words) in [
        ("kms:", "`key` is missing"),
        ("kms:key=", "`key` is empty"),
        ("kms:key=arn:aws:kms:eu-west-1", "six parts"),
        ("kms:key=key/1,region=eu-west-1", "names no AWS KMS key"),
        ("kms:arn=x", "`arn`"),
        ("kms-what:key=x", "`kms-what`"),
        ("kms-rsa:key=alias/x,algorithm=RSAES_OAEP_SHA_256,region=eu-west-1", "ARN"),
        ("kms-rsa:key=arn:aws:kms:eu-west-1:1:key/a,algorithm=pkcs1", "`pkcs1`"),
    ] {
        world.folder.write("out", "not read");
        world.decrypt(key).refuses(2, words);
    }
    assert!(world.kms.calls().is_empty());
}
