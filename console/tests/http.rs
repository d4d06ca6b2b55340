//! The console as a browser meets it: what it answers, to whom, and what it sends.

#[allow(dead_code, reason = "this binary uses a part of it")]
mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use fast_async::{Pool, Task, TaskBuilder};
use fast_async_console::Console;
use serde_json::Value;
use support::{Events, PATIENCE, ask, get, status, task};

/// A pool of its own, so that tests see no tasks of others.
fn serve() -> (Pool, Console) {
    let pool = Pool::builder().name("tested").build().unwrap();
    let console = Console::builder().pool(&pool).serve("127.0.0.1:0").unwrap();
    (pool, console)
}

#[test]
fn the_page_is_complete_and_names_nothing_from_elsewhere() {
    let (_pool, console) = serve();
    let page = get(&console, "/");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(page.contains("\r\nContent-Type: text/html; charset=utf-8\r\n"));
    for header in [
        "Content-Security-Policy: default-src 'none';",
        "X-Content-Type-Options: nosniff",
        "Cache-Control: no-store",
    ] {
        assert!(page.contains(&format!("\r\n{header}")), "{header}");
    }
    for path in ["/console.js", "/console.css"] {
        assert!(page.contains(&format!("\"{}\"", &path[1..])), "{path}");
        let file = get(&console, path);
        assert!(file.starts_with("HTTP/1.1 200 OK\r\n"), "{path}");
        let (_, body) = file.split_once("\r\n\r\n").unwrap();
        assert!(!body.contains("://"), "{path} names something elsewhere");
        assert!(!body.contains("innerHTML"), "{path} makes markup of texts");
    }
    let (_, body) = page.split_once("\r\n\r\n").unwrap();
    assert!(!body.contains("://") && !body.contains("<style") && !body.contains("onclick"));
    let head = ask(
        &console,
        &format!("HEAD / HTTP/1.1\r\nHost: {}\r\n\r\n", console.address()),
    );
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"));
}

#[test]
fn other_hosts_origins_and_methods_are_refused() {
    let (_pool, console) = serve();
    let own = console.address();
    for (request, expected) in [
        ("GET / HTTP/1.1\r\nHost: OWN\r\n\r\n", "200"),
        ("GET / HTTP/1.1\r\nHost: localhost:PORT\r\n\r\n", "200"),
        (
            "GET /?x HTTP/1.1\r\nHost: OWN\r\nOrigin: http://OWN\r\n\r\n",
            "200",
        ),
        ("GET / HTTP/1.1\r\nHost: evil.example:PORT\r\n\r\n", "403"),
        ("GET /events HTTP/1.1\r\nHost: evil.example\r\n\r\n", "403"),
        ("GET / HTTP/1.1\r\n\r\n", "403"),
        (
            "GET / HTTP/1.1\r\nHost: OWN\r\nHost: evil.example\r\n\r\n",
            "403",
        ),
        (
            "GET / HTTP/1.1\r\nHost: OWN\r\nOrigin: http://evil.example\r\n\r\n",
            "403",
        ),
        ("GET / HTTP/1.1\r\nHost: OWN\r\nOrigin: null\r\n\r\n", "403"),
        (
            "POST / HTTP/1.1\r\nHost: OWN\r\nContent-Length: 0\r\n\r\n",
            "405",
        ),
        ("DELETE /events HTTP/1.1\r\nHost: OWN\r\n\r\n", "405"),
        ("GET /etc/passwd HTTP/1.1\r\nHost: OWN\r\n\r\n", "404"),
        ("GET /../Cargo.toml HTTP/1.1\r\nHost: OWN\r\n\r\n", "404"),
        ("nonsense\r\n\r\n", "400"),
    ] {
        let request = request
            .replace("OWN", &own.to_string())
            .replace("PORT", &own.port().to_string());
        assert_eq!(status(&ask(&console, &request)), expected, "{request}");
    }
}

#[test]
fn only_loopback_is_served_unless_exposed() {
    let refused = Console::serve("0.0.0.0:0").unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
    let console = Console::builder().expose().serve("0.0.0.0:0").unwrap();
    let here = SocketAddr::from(([127, 0, 0, 1], console.address().port()));
    let mut stream = TcpStream::connect(here).unwrap();
    write!(stream, "GET / HTTP/1.1\r\nHost: {here}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(status(&answer), "200");
}

#[test]
fn tasks_appear_run_and_settle() {
    let (pool, console) = serve();
    let mut events = Events::of(&console);
    let (go, gate) = mpsc::channel::<()>();
    let line = line!() + 1;
    let outer = TaskBuilder::new().name("outer").pool(&pool).spawn_with({
        let pool = pool.clone();
        move |ctx| {
            ctx.progress(3, 10);
            let inner = TaskBuilder::new().name("inner").pool(&pool);
            inner
                .attempt(|| Err::<(), _>("no disk".into()))
                .wait()
                .unwrap_err();
            gate.recv().unwrap();
        }
    });
    let message = events.until(|message| {
        task(message, "live", "outer").is_some_and(|task| task["done"] == 3)
            && task(message, "ended", "inner").is_some()
    });
    let seen = task(&message, "live", "outer").unwrap();
    assert_eq!(
        (&seen["state"], &seen["total"]),
        (&"running".into(), &10.into())
    );
    let place = seen["at"].as_str().unwrap();
    assert!(place.contains(&format!("http.rs:{line}:")), "{place}");
    let inner = task(&message, "ended", "inner").unwrap();
    assert_eq!(
        (&inner["state"], &inner["parent"]),
        (&"failed".into(), &seen["id"])
    );
    assert!(
        inner["note"].as_str().unwrap().contains("no disk"),
        "{inner}"
    );
    assert_eq!(message["pools"][0]["name"], "tested");
    assert_eq!(message["pools"][0]["failed"], 1);

    go.send(()).unwrap();
    outer.wait().unwrap();
    let message = events.until(|message| task(message, "ended", "outer").is_some());
    assert_eq!(
        task(&message, "ended", "outer").unwrap()["state"],
        "succeeded"
    );
    assert_eq!(message["totals"]["live"], 0);
}

#[test]
fn spans_are_slices_of_the_timeline() {
    use tracing_subscriber::layer::SubscriberExt;
    let (pool, console) = serve();
    let subscriber = tracing_subscriber::registry().with(console.layer());
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut events = Events::of(&console);
    let task = TaskBuilder::new().name("measured").pool(&pool).spawn(|| ());
    task.wait().unwrap();
    let is_it = |slice: &Value| slice[4] == "measured";
    let message = events.until(|it| it["slices"].as_array().unwrap().iter().any(is_it));
    let slices = message["slices"].as_array().unwrap();
    let slice = slices.iter().find(|it| is_it(it)).unwrap();
    assert!(slice[2].as_f64() <= slice[3].as_f64());
    let threads = message["threads"].as_array().unwrap();
    let thread = threads.iter().find(|it| it["id"] == slice[0]).unwrap();
    assert!(
        thread["name"].as_str().unwrap().starts_with("tested"),
        "{thread}"
    );

    // A layer may be left behind.
    drop(console);
    tracing::info_span!("after").in_scope(|| ());
}

#[test]
fn clients_that_stall_or_leave_hold_up_no_other() {
    let (_pool, console) = serve();
    // One says nothing, one is in the middle of a line, one does not read what it gets.
    let silent = TcpStream::connect(console.address()).unwrap();
    let mut half = TcpStream::connect(console.address()).unwrap();
    half.write_all(b"GET / HT").unwrap();
    let unread = Events::of(&console);
    assert_eq!(status(&get(&console, "/")), "200");
    let gone = Events::of(&console);
    gone.0.get_ref().shutdown(Shutdown::Both).unwrap();
    drop(gone);
    let mut events = Events::of(&console);
    assert!(events.next().is_some());
    drop((silent, half, unread));
}

#[test]
fn the_number_of_connections_is_bounded() {
    let (_pool, console) = serve();
    let pages: Vec<Events> = (0..32).map(|_| Events::of(&console)).collect();
    assert_eq!(status(&get(&console, "/")), "503");
    drop(pages);
    let start = Instant::now();
    while status(&get(&console, "/")) != "200" {
        assert!(start.elapsed() < PATIENCE, "the places are not given back");
        thread::yield_now();
    }
}

#[test]
fn its_end_closes_all_pages() {
    let (_pool, console) = serve();
    let mut events = Events::of(&console);
    assert!(events.next().is_some());
    let address = console.address();
    drop(console);
    while events.next().is_some() {}
    assert!(
        TcpStream::connect(address).is_err(),
        "nothing listens any more"
    );
}

/// Far more than it can show: it says what it left out, and the program does not wait for it.
#[test]
fn a_flood_of_tasks_is_counted() {
    let (pool, console) = serve();
    let mut events = Events::of(&console);
    let tasks: Vec<Task<()>> = (0..50_000).map(|_| pool.spawn(|| ())).collect();
    for task in tasks {
        task.wait().unwrap();
    }
    let message = events.until(|message| {
        let totals = &message["totals"];
        let count = |name: &str| totals[name].as_u64().unwrap();
        // Each of those for which there is no room tells three events.
        count("live") == 0 && count("succeeded") + count("untracked") >= 50_000
    });
    assert!(message["ended"].as_array().unwrap().len() <= 100);
    assert!(message.to_string().len() < 100_000, "a message is short");
}
