//! A trie of subject patterns: finds those that a subject matches, without looking at the others.

// The nodes are in one list and name each other by their places, so nothing recurses.

use std::collections::{BTreeMap, HashMap};

use smallvec::{SmallVec, smallvec};

use crate::room;

/// Free places that a trie of any size may keep.
const FREE_KEPT: usize = 64;

/// What is stored under one pattern, by number. There may be very many, which go in any order.
type Stored<V> = BTreeMap<u64, V>;

/// Patterns, each with what is stored under it.
pub(super) struct Trie<V> {
    /// The first is the root.
    nodes: Vec<Node<V>>,
    /// Places that are free.
    free: Vec<usize>,
}

struct Node<V> {
    parent: usize,
    /// The token that leads here. Empty for the root.
    token: Box<str>,
    children: HashMap<Box<str>, usize>,
    /// The child for `*`, which every subject goes to.
    any: Option<usize>,
    /// Stored under the pattern that ends here.
    here: Stored<V>,
    /// Stored under the pattern that goes on with `>`.
    rest: Stored<V>,
}

impl<V> Node<V> {
    fn new(parent: usize, token: &str) -> Node<V> {
        Node {
            parent,
            token: token.into(),
            children: HashMap::new(),
            any: None,
            here: BTreeMap::new(),
            rest: BTreeMap::new(),
        }
    }

    fn is_empty(&self) -> bool {
        let has_children = !self.children.is_empty() || self.any.is_some();
        !has_children && self.here.is_empty() && self.rest.is_empty()
    }

    /// The child for this token of a pattern.
    fn child(&self, token: &str) -> Option<usize> {
        match token {
            "*" => self.any,
            _ => self.children.get(token).copied(),
        }
    }

    fn remove_child(&mut self, token: &str) {
        if token == "*" {
            self.any = None;
        } else {
            self.children.remove(token);
            room::give_back(&mut self.children);
        }
    }
}

impl<V: Clone> Trie<V> {
    pub(super) fn new() -> Trie<V> {
        Trie {
            nodes: vec![Node::new(0, "")],
            free: Vec::new(),
        }
    }

    pub(super) fn insert(&mut self, pattern: &str, number: u64, value: V) {
        let mut place = 0;
        for token in pattern.split('.') {
            if token == ">" {
                self.nodes[place].rest.insert(number, value);
                return;
            }
            place = match self.nodes[place].child(token) {
                Some(child) => child,
                None => self.add(place, token),
            };
        }
        self.nodes[place].here.insert(number, value);
    }

    fn add(&mut self, parent: usize, token: &str) -> usize {
        let node = Node::new(parent, token);
        let place = match self.free.pop() {
            Some(place) => {
                self.nodes[place] = node;
                place
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() - 1
            }
        };
        match token {
            "*" => self.nodes[parent].any = Some(place),
            _ => drop(self.nodes[parent].children.insert(token.into(), place)),
        }
        place
    }

    /// Takes what is stored under this pattern with this number, and the nodes that only it needed.
    pub(super) fn remove(&mut self, pattern: &str, number: u64) -> Option<V> {
        let mut place = 0;
        let mut is_rest = false;
        for token in pattern.split('.') {
            if token == ">" {
                is_rest = true;
                break;
            }
            place = self.nodes[place].child(token)?;
        }
        let node = &mut self.nodes[place];
        let stored = if is_rest {
            &mut node.rest
        } else {
            &mut node.here
        };
        let removed = stored.remove(&number)?;
        while place != 0 && self.nodes[place].is_empty() {
            let node = std::mem::replace(&mut self.nodes[place], Node::new(0, ""));
            self.nodes[node.parent].remove_child(&node.token);
            self.free.push(place);
            place = node.parent;
        }
        if self.free.len() > FREE_KEPT && self.free.len() > self.nodes.len() / 4 * 3 {
            self.compact();
        }
        Some(removed)
    }

    /// Gives the free places back. Constant time on average: most of the places are free.
    fn compact(&mut self) {
        let mut is_free = vec![false; self.nodes.len()];
        for place in std::mem::take(&mut self.free) {
            is_free[place] = true;
        }
        let mut places = vec![0; self.nodes.len()];
        let mut kept = Vec::new();
        for (place, node) in std::mem::take(&mut self.nodes).into_iter().enumerate() {
            if !is_free[place] {
                places[place] = kept.len();
                kept.push(node);
            }
        }
        for node in &mut kept {
            node.parent = places[node.parent];
            for child in node.children.values_mut().chain(&mut node.any) {
                *child = places[*child];
            }
        }
        self.nodes = kept;
    }

    /// Returns what is stored under the patterns that `subject` matches, in the order of the
    /// numbers.
    pub(super) fn find(&self, subject: &str) -> Vec<V> {
        // No allocation for the usual few.
        let mut found: SmallVec<[(&u64, &V); 4]> = SmallVec::new();
        let mut places: SmallVec<[usize; 8]> = smallvec![0];
        for token in subject.split('.') {
            let mut next = SmallVec::new();
            for place in places {
                let node = &self.nodes[place];
                found.extend(&node.rest);
                next.extend(node.children.get(token).copied());
                next.extend(node.any);
            }
            places = next;
        }
        for place in places {
            found.extend(&self.nodes[place].here);
        }
        found.sort_unstable_by_key(|(number, _)| **number);
        found.into_iter().map(|(_, value)| value.clone()).collect()
    }

    /// Takes everything.
    pub(super) fn take_all(&mut self) -> Vec<V> {
        let nodes = std::mem::take(self).nodes;
        let stored = nodes.into_iter().flat_map(|node| [node.here, node.rest]);
        stored.flat_map(BTreeMap::into_values).collect()
    }
}

impl<V: Clone> Default for Trie<V> {
    fn default() -> Trie<V> {
        Trie::new()
    }
}

#[cfg(test)]
mod tests {
    use super::Trie;

    /// Whether a pattern matches, token by token.
    fn matches(pattern: &str, subject: &str) -> bool {
        let (mut pattern, mut subject) = (pattern.split('.'), subject.split('.'));
        loop {
            match (pattern.next(), subject.next()) {
                (Some(">"), Some(_)) | (None, None) => return true,
                (Some(own), Some(token)) if own == "*" || own == token => {}
                _ => return false,
            }
        }
    }

    /// All of up to three tokens.
    fn all(tokens: &[&str]) -> Vec<String> {
        let mut all: Vec<String> = tokens.iter().map(|token| (*token).to_owned()).collect();
        for _ in 0..2 {
            let longer = all.iter().flat_map(|first| {
                let longer = tokens.iter().map(move |token| format!("{first}.{token}"));
                longer.filter(|it| !it.contains(">."))
            });
            let longer: Vec<String> = longer.collect();
            all.extend(longer);
        }
        all.sort();
        all.dedup();
        all
    }

    #[test]
    fn it_finds_what_a_comparison_of_tokens_finds() {
        let (patterns, subjects) = (all(&["a", "b", "*", ">"]), all(&["a", "b", "c"]));
        let mut trie = Trie::new();
        for (number, pattern) in patterns.iter().enumerate() {
            trie.insert(pattern, number as u64, number);
        }
        let check = |trie: &Trie<usize>, is_there: &dyn Fn(usize) -> bool| {
            for subject in &subjects {
                let numbers = 0..patterns.len();
                let wanted = numbers.filter(|it| is_there(*it) && matches(&patterns[*it], subject));
                assert_eq!(trie.find(subject), wanted.collect::<Vec<_>>(), "{subject}");
            }
        };
        check(&trie, &|_| true);
        // Half of them go, in another order, and come back.
        for number in (0..patterns.len()).rev().filter(|it| it % 2 == 0) {
            let pattern = &patterns[number];
            assert_eq!(trie.remove(pattern, number as u64), Some(number));
            assert_eq!(trie.remove(pattern, number as u64), None);
        }
        check(&trie, &|number| number % 2 == 1);
        for number in (0..patterns.len()).filter(|it| it % 2 == 0) {
            trie.insert(&patterns[number], number as u64, number);
        }
        check(&trie, &|_| true);
        let places = trie.nodes.len();
        for (number, pattern) in patterns.iter().enumerate() {
            trie.remove(pattern, number as u64);
        }
        assert!(trie.nodes[0].is_empty(), "nothing is left");
        assert_eq!(trie.free.len(), places - 1);
    }

    #[test]
    fn what_is_left_is_found_when_its_places_have_changed() {
        let pattern = |n: usize| format!("x{n}.*.{}", ["*", "end", ">"][n % 3]);
        let mut trie = Trie::new();
        for n in 0..1_000 {
            trie.insert(&pattern(n), n as u64, n);
        }
        let places = trie.nodes.len();
        for n in 0..900 {
            assert_eq!(trie.remove(&pattern(n), n as u64), Some(n));
        }
        assert!(trie.nodes.len() < places / 2, "places were given back");
        for n in 0..1_000 {
            let found = trie.find(&format!("x{n}.any.end"));
            assert_eq!(found, Vec::from_iter((n >= 900).then_some(n)));
        }
    }
}
