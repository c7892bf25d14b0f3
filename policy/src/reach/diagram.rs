//! Decision diagrams: every answer of a condition at once, over variables with finitely many classes of values.
//!
//! Equal functions are equal references, so that two sets of rules are compared by comparing numbers. An answer is yes,
//! no, or that the condition cannot be evaluated.

use std::collections::HashMap;
use std::sync::Arc;

use crate::limits::DIAGRAM_NODES_MAX;

/// A function of the variables.
pub(crate) type Ref = u32;

/// Never.
pub(crate) const NO: Ref = 0;
/// Always.
pub(crate) const YES: Ref = 1;
/// It cannot be evaluated.
pub(crate) const FAILED: Ref = 2;
const TERMINALS: [Ref; 3] = [NO, YES, FAILED];

/// More nodes than [`DIAGRAM_NODES_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// What joins two functions, left first as Cedar does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Join {
    And,
    Or,
}

/// What becomes of the answers no, yes and failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Turn(pub(crate) [Ref; 3]);

/// `!`.
pub(crate) const NOT: Turn = Turn([YES, NO, FAILED]);
/// Whether it can be evaluated and holds.
pub(crate) const HOLDS: Turn = Turn([NO, YES, NO]);
/// Whether it cannot be evaluated.
pub(crate) const FAILS: Turn = Turn([NO, NO, YES]);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Node {
    variable: u16,
    /// By class.
    children: Arc<[Ref]>,
}

/// All functions of one analysis.
#[derive(Debug, Default)]
pub(crate) struct Diagrams {
    nodes: Vec<Node>,
    known: HashMap<Node, Ref>,
    joined: HashMap<(Join, Ref, Ref), Ref>,
    turned: HashMap<(Turn, Ref), Ref>,
}

impl Diagrams {
    /// The function that decides by `variable` first. The children's own variables come later.
    pub(crate) fn node(&mut self, variable: u16, children: Vec<Ref>) -> Result<Ref, TooLarge> {
        if let Some(first) = children.first()
            && children.iter().all(|child| child == first)
        {
            return Ok(*first);
        }
        let node = Node { variable, children: children.into() };
        if let Some(known) = self.known.get(&node) {
            return Ok(*known);
        }
        if self.nodes.len() >= DIAGRAM_NODES_MAX {
            return Err(TooLarge);
        }
        let number = self.nodes.len() + TERMINALS.len();
        let number = Ref::try_from(number).map_err(|_| TooLarge)?;
        self.nodes.push(node.clone());
        self.known.insert(node, number);
        Ok(number)
    }

    fn get(&self, function: Ref) -> Option<&Node> {
        (function as usize).checked_sub(TERMINALS.len()).and_then(|index| self.nodes.get(index))
    }

    /// The variable that a function decides by first, with its children; none where the answer is settled.
    pub(crate) fn first(&self, function: Ref) -> Option<(u16, Arc<[Ref]>)> {
        self.get(function).map(|node| (node.variable, Arc::clone(&node.children)))
    }

    pub(crate) fn join(&mut self, join: Join, left: Ref, right: Ref) -> Result<Ref, TooLarge> {
        let (settles, passes) = match join {
            Join::And => (NO, YES),
            Join::Or => (YES, NO),
        };
        if left == FAILED || left == settles || left == right || right == passes {
            return Ok(left);
        }
        if left == passes {
            return Ok(right);
        }
        if let Some(known) = self.joined.get(&(join, left, right)) {
            return Ok(*known);
        }
        let (one, other) = (self.first(left), self.first(right));
        let variable = one.iter().chain(&other).map(|(variable, _)| *variable).min().unwrap_or(0);
        let of = |node: &Option<(u16, Arc<[Ref]>)>, whole: Ref| match node {
            Some((own, children)) if *own == variable => Children::Each(Arc::clone(children)),
            Some(_) | None => Children::Same(whole),
        };
        let (one, other) = (of(&one, left), of(&other, right));
        let mut children = Vec::new();
        for class in 0..one.count().max(other.count()) {
            children.push(self.join(join, one.at(class), other.at(class))?);
        }
        let function = self.node(variable, children)?;
        self.joined.insert((join, left, right), function);
        Ok(function)
    }

    pub(crate) fn turn(&mut self, turn: Turn, function: Ref) -> Result<Ref, TooLarge> {
        if let Some(settled) = turn.0.get(function as usize) {
            return Ok(*settled);
        }
        if let Some(known) = self.turned.get(&(turn, function)) {
            return Ok(*known);
        }
        let Some((variable, children)) = self.first(function) else { return Ok(NO) };
        let turned: Result<Vec<Ref>, TooLarge> = children.iter().map(|child| self.turn(turn, *child)).collect();
        let result = self.node(variable, turned?)?;
        self.turned.insert((turn, function), result);
        Ok(result)
    }

    /// What is in `left` and not in `right`; both are always evaluable.
    pub(crate) fn without(&mut self, left: Ref, right: Ref) -> Result<Ref, TooLarge> {
        let outside = self.turn(NOT, right)?;
        self.join(Join::And, left, outside)
    }

    /// The function where some variables are known: `class` gives the class of those.
    pub(crate) fn given(&mut self, function: Ref, class: &dyn Fn(u16) -> Option<usize>) -> Result<Ref, TooLarge> {
        self.given_with(function, class, &mut HashMap::new())
    }

    fn given_with(
        &mut self,
        function: Ref,
        class: &dyn Fn(u16) -> Option<usize>,
        done: &mut HashMap<Ref, Ref>,
    ) -> Result<Ref, TooLarge> {
        let Some((variable, children)) = self.first(function) else { return Ok(function) };
        if let Some(known) = done.get(&function) {
            return Ok(*known);
        }
        let result = match class(variable) {
            Some(known) => self.given_with(children.get(known).copied().unwrap_or(NO), class, done)?,
            None => {
                let inner: Result<Vec<Ref>, TooLarge> =
                    children.iter().map(|child| self.given_with(*child, class, done)).collect();
                self.node(variable, inner?)?
            }
        };
        done.insert(function, result);
        Ok(result)
    }
}

/// The children of one of two joined functions, by class of the variable that comes first.
enum Children {
    /// It decides by that variable.
    Each(Arc<[Ref]>),
    /// It decides by a later one.
    Same(Ref),
}

impl Children {
    fn count(&self) -> usize {
        match self {
            Self::Each(children) => children.len(),
            Self::Same(_) => 0,
        }
    }

    fn at(&self, class: usize) -> Ref {
        match self {
            // INVARIANT (classes): every node of a variable has a child for each of its classes.
            Self::Each(children) => children.get(class).copied().unwrap_or(NO),
            Self::Same(whole) => *whole,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_functions_are_equal_numbers_whatever_the_way_to_them() {
        let mut all = Diagrams::default();
        let a = all.node(0, vec![YES, NO, NO]).expect("small");
        let b = all.node(3, vec![NO, YES]).expect("small");
        let one = all.join(Join::And, a, b).expect("small");
        let (not_a, not_b) = (all.turn(NOT, a).expect("small"), all.turn(NOT, b).expect("small"));
        let either = all.join(Join::Or, not_a, not_b).expect("small");
        assert_eq!(all.turn(NOT, either), Ok(one));
        assert_eq!(all.without(one, a), Ok(NO));
        assert_eq!(all.given(one, &|variable| (variable == 0).then_some(0)), Ok(b));
        assert_eq!(all.given(one, &|variable| (variable == 0).then_some(2)), Ok(NO));
    }

    #[test]
    fn what_fails_first_fails_and_what_is_never_read_does_not() {
        let mut all = Diagrams::default();
        assert_eq!(all.join(Join::And, NO, FAILED), Ok(NO));
        assert_eq!(all.join(Join::And, FAILED, NO), Ok(FAILED));
        assert_eq!(all.join(Join::Or, YES, FAILED), Ok(YES));
        let a = all.node(0, vec![YES, NO]).expect("small");
        let guarded = all.join(Join::Or, a, FAILED).expect("small");
        assert_eq!(all.turn(HOLDS, guarded), Ok(a));
        let not_a = all.turn(NOT, a);
        assert_eq!(all.turn(FAILS, guarded), not_a);
    }
}
