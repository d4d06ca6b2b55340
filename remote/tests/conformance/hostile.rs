//! What strangers send or have set up: one job fails, clearly, and nothing else is disturbed.

use std::time::Duration;

use async_nats::jetstream;
use fast_async_remote::{Call, Remote, RemoteErrorKind};
use futures_util::StreamExt;

use crate::bed::{Bed, ECHO, failure, failure_kind, outcome, start, until, value};
use crate::support::server::{Server, Setup, Version};

/// A stranger, with a client of its own.
struct Stranger {
    runtime: tokio::runtime::Runtime,
    client: async_nats::Client,
}

impl Stranger {
    fn at(url: &str) -> Stranger {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let client = runtime.block_on(async_nats::connect(url)).unwrap();
        Stranger { runtime, client }
    }

    fn publish(&self, subject: &str, body: &[u8]) {
        self.runtime.block_on(async {
            let body = body.to_vec().into();
            self.client.publish(subject.to_owned(), body).await.unwrap();
            self.client.flush().await.unwrap();
        });
    }

    /// Subscribes, and returns when the server knows it: a flush has only written it to the socket.
    async fn subscribe(&self, subject: &str) -> async_nats::Subscriber {
        let subscribed = self.client.subscribe(subject.to_owned()).await.unwrap();
        let own = self.client.new_inbox();
        let mut echoes = self.client.subscribe(own.clone()).await.unwrap();
        self.client.publish(own, "".into()).await.unwrap();
        // The server does what one connection asks for in order.
        echoes.next().await.unwrap();
        subscribed
    }

    fn make(&self, config: jetstream::stream::Config) {
        let made = self.runtime.block_on(async {
            jetstream::new(self.client.clone())
                .create_stream(config)
                .await
        });
        made.unwrap();
    }
}

#[test]
fn bytes_that_are_no_job_are_a_dead_letter() {
    let bed = Bed::nats(Remote::options());
    let remote = bed.remote();
    let worker = start(remote.worker("q").serve(&ECHO, |_, n| Ok(n)));
    let queue = remote.queue("q");
    assert_eq!(value(queue.push(&ECHO, 1).send()), 1);
    let stranger = Stranger::at(&bed.server().unwrap().url());
    let foreign = b"FA\x02\x01of a later version";
    for (n, body) in [&b""[..], b"FA", b"{}", &[0xff; 300], foreign]
        .into_iter()
        .enumerate()
    {
        stranger.publish(&format!("fa.q.q.echo-v1.n.q.echo-v1.s{n}"), body);
    }
    let attached: Vec<_> = (0..5)
        .map(|n| queue.attach(&ECHO, &format!("s{n}")))
        .collect();
    for (n, task) in attached.into_iter().enumerate() {
        let kind = failure_kind(task);
        match n {
            4 => assert_eq!(kind, RemoteErrorKind::Version),
            _ => assert_eq!(kind, RemoteErrorKind::Decode),
        }
    }
    assert_eq!(queue.dead_letters().unwrap().len(), 5);
    assert_eq!(value(queue.push(&ECHO, 2).send()), 2);
    let report = worker.end();
    assert_eq!((report.dead, report.done), (5, 2));
}

/// A value that may be nested without end.
#[derive(serde::Serialize, serde::Deserialize, Debug)]
enum Deep {
    End,
    More(Box<Deep>),
}

const DEEP: Call<Deep, Deep> = Call::new("deep-v1");

/// Puts a body into an envelope.
fn sealed(kind: u8, body: &[u8]) -> Vec<u8> {
    [b"FA\x01", &[kind][..], body].concat()
}

/// A job with this input, as this crate writes it.
fn job(input: &[u8]) -> Vec<u8> {
    #[derive(serde::Serialize)]
    struct JobRecord<'a> {
        id: &'a str,
        function: &'a str,
        input: &'a [u8],
        expires: Option<Duration>,
        time_limit: Option<Duration>,
    }
    let record = JobRecord {
        id: "deep",
        function: DEEP.name(),
        input,
        expires: None,
        time_limit: None,
    };
    sealed(1, &rmp_serde::to_vec_named(&record).unwrap())
}

#[test]
fn bytes_that_are_nested_without_end_fail_one_job() {
    let bed = Bed::nats(Remote::options());
    let remote = bed.remote();
    let worker = start(remote.worker("q").serve(&DEEP, |_, deep| Ok(deep)));
    let queue = remote.queue("q");
    value(queue.push(&DEEP, Deep::End).send());
    let stranger = Stranger::at(&bed.server().unwrap().url());
    let nested = [&b"\x81\xa4More"[..], b"\x91\xa4More", b"\x91", b"\x81\x01"];
    let mut places = Vec::new();
    for (n, level) in nested.into_iter().enumerate() {
        let bytes = level.repeat(100_000 / level.len());
        for (place, body) in [("input", job(&bytes)), ("record", sealed(1, &bytes))] {
            let key = format!("n.q.deep-v1.{place}{n}");
            stranger.publish(&format!("fa.q.q.deep-v1.{key}"), &body);
            places.push(format!("{place}{n}"));
        }
        let outcome = format!("outcome{n}");
        let key = format!("n.q.deep-v1.{outcome}");
        stranger.publish(&format!("fa.r.{key}"), &sealed(2, &bytes));
        places.push(outcome);
    }
    for place in places {
        let kind = failure_kind(queue.attach(&DEEP, &place));
        assert_eq!(kind, RemoteErrorKind::Decode, "{place}");
    }
    assert_eq!(queue.dead_letters().unwrap().len(), 2 * nested.len());
    let deep = Deep::More(Box::new(Deep::End));
    assert!(matches!(
        value(queue.push(&DEEP, deep).send()),
        Deep::More(_)
    ));
    assert_eq!(worker.end().done, 2);
}

#[test]
fn messages_of_a_stranger_settle_nothing() {
    let bed = Bed::nats(Remote::options());
    let remote = bed.remote();
    let queue = remote.queue("q");
    let (receipt, task) = queue.push(&ECHO, 7).id("a").stored();
    value(receipt);
    let topic = remote.topic::<u64>("t").unwrap();
    let next = topic.topic().next();
    let stranger = Stranger::at(&bed.server().unwrap().url());
    for subject in [
        "fa.o.n.q.echo-v1.a",
        "fa.p.n.q.echo-v1.a",
        "fa.c.q",
        "fa.k.echo-v1",
        "fa.t.t",
    ] {
        for body in [&b""[..], b"hello", b"FA\x01\x02", &[0xff; 100]] {
            stranger.publish(subject, body);
        }
    }
    // Without a reply to go to, and as a request that is none.
    stranger.publish("fa.x.echo-v1", b"");
    until(|| topic.dropped() == 4);
    assert!(!task.is_settled() && !next.is_settled());
    let _worker = start(remote.worker("q").serve(&ECHO, |_, n| Ok(n)));
    assert_eq!(value(task), 7);
    topic.publish(&3).unwrap();
    assert_eq!(*value(next), 3);
}

#[test]
fn a_reply_of_a_stranger_fails_one_call() {
    let bed = Bed::nats(Remote::options());
    let remote = bed.remote();
    let url = bed.server().unwrap().url();
    let (tell, told) = std::sync::mpsc::channel();
    let answering = std::thread::spawn(move || {
        let stranger = Stranger::at(&url);
        stranger.runtime.block_on(async {
            let mut calls = stranger.subscribe("fa.x.echo-v1").await;
            tell.send(()).unwrap();
            let call = calls.next().await.unwrap();
            let reply = call.reply.unwrap();
            stranger
                .client
                .publish(reply, "hello".into())
                .await
                .unwrap();
            stranger.client.flush().await.unwrap();
        });
    });
    told.recv().unwrap();
    assert_eq!(
        failure_kind(remote.call(&ECHO, 1).send()),
        RemoteErrorKind::Decode
    );
    answering.join().unwrap();
}

#[test]
fn a_stream_with_other_settings_is_named_and_left_alone() {
    let bed = Bed::nats(Remote::options());
    let stranger = Stranger::at(&bed.server().unwrap().url());
    let own = jetstream::stream::Config {
        name: "FA-q".into(),
        subjects: vec!["fa.q.q.>".into()],
        max_bytes: 1000,
        ..jetstream::stream::Config::default()
    };
    stranger.make(own);
    let queue = bed.remote().queue("q");
    let error = failure(queue.push(&ECHO, 1).send());
    assert_eq!(*error.kind(), RemoteErrorKind::Configuration, "{error}");
    for part in ["FA-q", "`retention` is \"limits\"", "`max_bytes` is 1000"] {
        assert!(error.message().contains(part), "{error}");
    }
    let stop = fast_async::CancelToken::new();
    let worker = bed.remote().worker("q").serve(&ECHO, |_, n| Ok(n));
    let error = worker.run_until(&stop).unwrap_err();
    assert_eq!(*error.kind(), RemoteErrorKind::Configuration, "{error}");
    let stream = stranger.runtime.block_on(async {
        jetstream::new(stranger.client.clone())
            .get_stream("FA-q")
            .await
    });
    assert_eq!(stream.unwrap().cached_info().config.max_bytes, 1000);
}

#[test]
fn an_old_server_says_what_it_cannot_do() {
    let server = Server::with(Setup {
        version: Version::Old,
        ..Setup::default()
    });
    let remote = Remote::connect(&server.url()).unwrap();
    assert!(
        remote.missing().iter().any(|it| it.contains("expires")),
        "{:?}",
        remote.missing()
    );
    let queue = remote.queue("q");
    let push = queue.push(&ECHO, 1).expires(Duration::from_secs(60));
    assert_eq!(failure_kind(push.send()), RemoteErrorKind::Unsupported);
    let worker = start(remote.worker("q").serve(&ECHO, |_, n| Ok(n)));
    assert_eq!(value(queue.push(&ECHO, 2).id("a").send()), 2);
    assert_eq!(value(queue.push(&ECHO, 3).id("a").send()), 2);
    worker.end();
}

#[test]
fn a_server_with_tls_and_a_password_lets_only_those_in() {
    let server = Server::with(Setup {
        tls: true,
        user: Some(("app".into(), "secret".into())),
        ..Setup::default()
    });
    let roots = server.path().join("ca.pem");
    let options = Remote::options().root_certificates(roots).require_tls(true);
    let short = || options.clone().connect_timeout(Duration::from_secs(10));
    let remote = short()
        .user_and_password("app", "secret")
        .connect(&server.url())
        .unwrap();
    let worker = start(remote.worker("q").serve(&ECHO, |_, n| Ok(n)));
    assert_eq!(outcome(remote.queue("q").push(&ECHO, 2).send()).unwrap(), 2);
    worker.end();
    for refused in [
        short().connect(&server.url()),
        short()
            .user_and_password("app", "guess")
            .connect(&server.url()),
        Remote::options()
            .user_and_password("app", "secret")
            .connect(&server.url()),
    ] {
        assert_eq!(*refused.unwrap_err().kind(), RemoteErrorKind::Disconnected);
    }
}
