//! Reads programs out of random bytes, such as the borrow checker would accept: a handle that was
//! consumed is not used again.

use crate::program::{Body, Closure, Deed, Ends, Grip, Line, Op, Program, Verb};

/// The bytes of one operation.
pub(crate) type Raw = [u8; 7];

const MOST_CLOSURES: usize = 60;
const MOST_AT_ONCE: usize = 3;

#[derive(Clone, Copy)]
struct Known {
    handle: bool,
    resolver: bool,
    /// What a `wait` relies on.
    root: Root,
}

#[derive(Clone, Copy, PartialEq)]
enum Root {
    /// It settles without being asked to.
    Alone,
    /// It settles with this resolver, unless that was given away.
    With(Line),
    Unknown,
}

#[derive(Clone, Copy, PartialEq)]
enum Thing {
    Handle(Line),
    Resolver(Line),
    Grip(Grip),
    Subscription(Body),
}

#[derive(Default)]
struct Plan {
    program: Program,
    known: Vec<Known>,
    settled: Vec<Line>,
    grips: Vec<Grip>,
    subscriptions: Vec<Body>,
    /// What the round that is being filled has touched.
    busy: Vec<Thing>,
    round: Vec<Op>,
    hops: usize,
}

/// Reads a program out of random bytes, and appends what brings it to its end.
pub(crate) fn plan(raws: &[Raw]) -> Program {
    let mut plan = Plan::default();
    for raw in raws {
        if plan.round.len() >= MOST_AT_ONCE || raw[6] % 3 != 0 {
            plan.close_round();
        }
        if let Some(op) = plan.read(raw) {
            plan.round.push(op);
        }
    }
    plan.finish();
    plan.program
}

impl Plan {
    fn close_round(&mut self) {
        self.busy.clear();
        if !self.round.is_empty() {
            self.program.rounds.push(std::mem::take(&mut self.round));
        }
    }

    /// Settles what is open, looks at what can be looked at, and lets everything go.
    fn finish(&mut self) {
        self.close_round();
        while let Some(line) = self.resolver(0) {
            self.round.push(Op::Abandon(line));
            if self.round.len() == MOST_AT_ONCE {
                self.close_round();
            }
        }
        self.close_round();
        for line in (0..self.known.len()).filter(|line| self.known[*line].handle) {
            self.program.rounds.push(vec![Op::Try(line)]);
        }
        let drops = self.grips.iter().map(|grip| vec![Op::DropShared(*grip)]);
        self.program.rounds.extend(drops);
    }

    fn line(&mut self, handle: bool, resolver: bool, root: Root) -> Line {
        let line = self.known.len();
        self.known.push(Known {
            handle,
            resolver,
            root,
        });
        self.program.lines += 1;
        self.busy
            .extend([Thing::Handle(line), Thing::Resolver(line)]);
        line
    }

    fn pick<T: Copy>(&mut self, from: Vec<T>, thing: fn(T) -> Thing, byte: u8) -> Option<T> {
        let free: Vec<T> = from
            .into_iter()
            .filter(|one| !self.busy.contains(&thing(*one)))
            .collect();
        let last = free.len().checked_sub(1)?;
        let picked = free[last - usize::from(byte) % free.len()];
        self.busy.push(thing(picked));
        Some(picked)
    }

    /// A handle, to be borrowed.
    fn handle(&mut self, byte: u8) -> Option<Line> {
        let lines = (0..self.known.len()).filter(|line| self.known[*line].handle);
        self.pick(lines.collect(), Thing::Handle, byte)
    }

    /// A handle, to be consumed.
    fn take(&mut self, byte: u8) -> Option<Line> {
        let line = self.handle(byte)?;
        self.known[line].handle = false;
        Some(line)
    }

    fn resolver(&mut self, byte: u8) -> Option<Line> {
        let lines = (0..self.known.len()).filter(|line| self.known[*line].resolver);
        let line = self.pick(lines.collect(), Thing::Resolver, byte)?;
        self.known[line].resolver = false;
        Some(line)
    }

    fn grip(&mut self, byte: u8) -> Option<Grip> {
        self.pick(self.grips.clone(), Thing::Grip, byte)
    }

    fn new_grip(&mut self, line: Line) -> Grip {
        self.program.grips.push(line);
        let grip = self.program.grips.len() - 1;
        self.grips.push(grip);
        self.busy.push(Thing::Grip(grip));
        grip
    }

    fn subscription(&mut self, byte: u8) -> Option<Body> {
        let body = self.pick(self.subscriptions.clone(), Thing::Subscription, byte)?;
        self.subscriptions.retain(|other| *other != body);
        Some(body)
    }

    fn closure(&mut self, verb: Verb, line: Line, raw: &Raw) -> Body {
        let may_fail = matches!(verb, Verb::Start | Verb::AndThen | Verb::OrElse);
        let ends = match raw[3] % 8 {
            0 => Ends::Panic,
            1 | 2 if may_fail => Ends::Error,
            3..=5 if may_fail => self.take(raw[4]).map_or(Ends::Value, Ends::Task),
            _ => Ends::Value,
        };
        let deed = match raw[5] % 12 {
            0 | 1 => self.resolver(raw[4]).map(Deed::Resolve),
            2 => self.take(raw[4]).map(Deed::Cancel),
            3 => self.take(raw[4]).map(Deed::Detach),
            4 => self.subscription(raw[4]).map(Deed::Unsubscribe),
            5..=7 => self.awaited(raw),
            _ => None,
        };
        self.program.closures.push(Closure {
            verb,
            ends,
            deed: deed.unwrap_or(Deed::Nothing),
            line,
        });
        let body = self.program.closures.len() - 1;
        self.busy.push(Thing::Subscription(body));
        body
    }

    /// A task for a closure to wait for. It was taken before the closure is registered, so that it
    /// cannot need what comes after the closure.
    fn awaited(&mut self, raw: &Raw) -> Option<Deed> {
        let line = self.handle(raw[4])?;
        let deed = match self.known[line].root {
            Root::Alone => Deed::Wait(line, raw[5] % 24 < 12),
            Root::With(root) if self.settled.contains(&root) => Deed::Wait(line, raw[5] % 24 < 12),
            Root::With(root) if self.known[root].resolver => {
                if self.busy.contains(&Thing::Resolver(root)) {
                    return None;
                }
                self.busy.push(Thing::Resolver(root));
                self.known[root].resolver = false;
                Deed::ResolveAndWait(root, line)
            }
            _ => return None,
        };
        self.known[line].handle = false;
        Some(deed)
    }

    fn root_after(&self, root: Root, body: Body) -> Root {
        match self.program.closures[body].ends {
            Ends::Task(_) => Root::Unknown,
            _ => root,
        }
    }

    fn read(&mut self, raw: &Raw) -> Option<Op> {
        let full = self.program.closures.len() >= MOST_CLOSURES;
        Some(match raw[0] % 58 {
            0..=4 => {
                let line = self.line(true, true, Root::Unknown);
                self.known[line].root = Root::With(line);
                Op::Deferred(line)
            }
            5 => Op::Ready(self.line(true, false, Root::Alone)),
            6 => Op::Failed(self.line(true, false, Root::Alone)),
            7..=9 if !full => {
                let line = self.line(true, false, Root::Alone);
                let body = self.closure(Verb::Start, line, raw);
                self.known[line].root = self.root_after(Root::Alone, body);
                Op::Spawn(line, body)
            }
            10 if !full => {
                let line = self.line(true, false, Root::Alone);
                let body = self.closure(
                    Verb::Start,
                    line,
                    &[0, 0, 0, [0, 7][usize::from(raw[3] % 2)], 0, raw[5], 0],
                );
                Op::Cold(line, body)
            }
            11..=19 if !full => {
                let line = self.handle(raw[1])?;
                let verb = match raw[2] % 9 {
                    0 | 1 => Verb::Then,
                    2 | 3 => Verb::AndThen,
                    4 => Verb::Catch,
                    5 => Verb::OrElse,
                    6 => Verb::Handle,
                    7 => Verb::Finally,
                    _ if raw[2] & 16 == 0 => Verb::Inspect,
                    _ => Verb::InspectErr,
                };
                let body = self.closure(verb, line, raw);
                self.known[line].root = self.root_after(self.known[line].root, body);
                Op::Link(line, body)
            }
            20 => Op::OnInline(self.handle(raw[1])?),
            21 if self.hops < 2 => {
                self.hops += 1;
                Op::OnPool(self.handle(raw[1])?)
            }
            22..=25 if !full => {
                let line = self.handle(raw[1])?;
                let body = self.closure(Verb::Observe, line, raw);
                self.subscriptions.push(body);
                Op::Observe(line, body)
            }
            26 | 27 => Op::Unsubscribe(self.subscription(raw[1])?),
            28..=32 => {
                let line = self.resolver(raw[1])?;
                self.settled.push(line);
                self.settle(line, raw[2])
            }
            33 | 34 => {
                let line = self.resolver(raw[1])?;
                match self.take(raw[2]) {
                    Some(inner) => {
                        self.known[line].root = Root::Unknown;
                        Op::Follow(line, inner)
                    }
                    None => Op::Abandon(line),
                }
            }
            35..=37 => Op::Cancel(self.handle(raw[1])?),
            38 => Op::Detach(self.take(raw[1])?),
            39 => Op::Look(self.handle(raw[1])?),
            40 => Op::Try(self.take(raw[1])?),
            41..=43 => return self.wait(raw),
            44 | 45 => {
                let line = self.take(raw[1])?;
                let grip = self.new_grip(line);
                Op::Share(line, grip)
            }
            46 => {
                let grip = self.grip(raw[1])?;
                let clone = self.new_grip(self.program.grips[grip]);
                Op::Clone(grip, clone)
            }
            47..=49 if !full => {
                let grip = self.grip(raw[1])?;
                let source = self.program.grips[grip];
                let line = self.line(true, false, self.known[source].root);
                let verb = [Verb::BranchThen, Verb::BranchHandle][usize::from(raw[2] % 2)];
                let body = self.closure(verb, source, raw);
                Op::Branch(grip, line, body)
            }
            50 if !full => {
                let grip = self.grip(raw[1])?;
                let body = self.closure(Verb::Observe, self.program.grips[grip], raw);
                self.subscriptions.push(body);
                Op::ObserveShared(grip, body)
            }
            51 => {
                let grip = self.grip(raw[1])?;
                self.grips.retain(|other| *other != grip);
                Op::CancelShared(grip)
            }
            52 => {
                let grip = self.grip(raw[1])?;
                self.grips.retain(|other| *other != grip);
                Op::DropShared(grip)
            }
            53 => Op::TryShared(self.grip(raw[1])?),
            54..=56 => {
                let first = self.take(raw[1])?;
                let others = (0..raw[2] % 3).filter_map(|at| self.take(raw[3].wrapping_add(at)));
                let members: Vec<Line> = [first].into_iter().chain(others).collect();
                let alone = members
                    .iter()
                    .all(|line| self.known[*line].root == Root::Alone);
                let root = if alone { Root::Alone } else { Root::Unknown };
                let line = self.line(true, false, root);
                let is_all = raw[4].is_multiple_of(2);
                self.program.gathered.push((line, is_all, members));
                if is_all { Op::All(line) } else { Op::Any(line) }
            }
            57 => {
                let inner = self.take(raw[1])?;
                let line = self.line(true, false, self.known[inner].root);
                Op::Shield(line, inner)
            }
            _ => return None,
        })
    }

    fn settle(&self, line: Line, byte: u8) -> Op {
        match byte % 4 {
            0 | 1 => Op::Resolve(line),
            2 => Op::Reject(line),
            _ => Op::Abandon(line),
        }
    }

    /// A wait that will end: by itself, or because its round brings what it waits for.
    fn wait(&mut self, raw: &Raw) -> Option<Op> {
        let line = self.handle(raw[1])?;
        match self.known[line].root {
            Root::Alone => {}
            Root::With(root) if self.settled.contains(&root) => {}
            Root::With(root) if self.known[root].resolver && self.round.len() < 2 => {
                if self.busy.contains(&Thing::Resolver(root)) {
                    return None;
                }
                self.busy.push(Thing::Resolver(root));
                self.known[root].resolver = false;
                self.settled.push(root);
                self.round.push(self.settle(root, raw[2]));
            }
            _ => return None,
        }
        self.known[line].handle = false;
        Some(Op::Wait(line))
    }
}
