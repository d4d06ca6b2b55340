//! Finds the borrow in a type: a reference or a lifetime that may end before the program does.

use proc_macro2::Span;
use syn::visit::{self, Visit};
use syn::{
    BoundLifetimes, Expr, GenericParam, Ident, Lifetime, Macro, ParenthesizedGenericArguments,
    TraitBound, Type, TypeBareFn, TypeReference,
};

/// The first borrow in a type.
pub(crate) enum Borrow<'a> {
    Reference(&'a TypeReference),
    /// As in `Cow<'a, str>`, `Iter<'_, u8>` or `dyn Trait + 'a`.
    Lifetime(&'a Lifetime),
}

impl Borrow<'_> {
    pub(crate) fn span(&self) -> Span {
        match self {
            Borrow::Reference(reference) => reference.and_token.span,
            Borrow::Lifetime(lifetime) => lifetime.span(),
        }
    }
}

pub(crate) fn first(ty: &Type) -> Option<Borrow<'_>> {
    let mut search = Search {
        bound: Vec::new(),
        signatures: 0,
        found: None,
    };
    search.visit_type(ty);
    search.found
}

/// Inside the signature of a callable (`fn(&T)`, `Fn(&T)`, `for<'x> ..`) a borrow is one that the
/// callable is handed later: it holds none, so these lifetimes do not count.
struct Search<'a> {
    /// Lifetimes declared by the `for<..>` around this place.
    bound: Vec<&'a Ident>,
    /// How many signatures of callables are around this place.
    signatures: usize,
    found: Option<Borrow<'a>>,
}

impl<'a> Search<'a> {
    fn lasts(&self, lifetime: Option<&Lifetime>) -> bool {
        match lifetime {
            Some(named) if named.ident != "_" => {
                named.ident == "static" || self.bound.contains(&&named.ident)
            }
            _ => self.signatures > 0,
        }
    }

    fn within(&mut self, binder: Option<&'a BoundLifetimes>, visit: impl FnOnce(&mut Self)) {
        let outside = self.bound.len();
        let declared = binder.into_iter().flat_map(|binder| &binder.lifetimes);
        self.bound.extend(declared.filter_map(|param| match param {
            GenericParam::Lifetime(param) => Some(&param.lifetime.ident),
            _ => None,
        }));
        visit(self);
        self.bound.truncate(outside);
    }
}

impl<'a> Visit<'a> for Search<'a> {
    fn visit_type_reference(&mut self, reference: &'a TypeReference) {
        if self.lasts(reference.lifetime.as_ref()) {
            self.visit_type(&reference.elem);
        } else {
            self.found.get_or_insert(Borrow::Reference(reference));
        }
    }

    fn visit_lifetime(&mut self, lifetime: &'a Lifetime) {
        if !self.lasts(Some(lifetime)) {
            self.found.get_or_insert(Borrow::Lifetime(lifetime));
        }
    }

    fn visit_type_bare_fn(&mut self, callable: &'a TypeBareFn) {
        self.signatures += 1;
        self.within(callable.lifetimes.as_ref(), |search| {
            for input in &callable.inputs {
                search.visit_bare_fn_arg(input);
            }
            search.visit_return_type(&callable.output);
        });
        self.signatures -= 1;
    }

    fn visit_parenthesized_generic_arguments(
        &mut self,
        arguments: &'a ParenthesizedGenericArguments,
    ) {
        self.signatures += 1;
        visit::visit_parenthesized_generic_arguments(self, arguments);
        self.signatures -= 1;
    }

    fn visit_trait_bound(&mut self, bound: &'a TraitBound) {
        self.within(bound.lifetimes.as_ref(), |search| {
            search.visit_path(&bound.path);
        });
    }

    // Neither the length of an array nor a macro shows a borrow that the type would hold.
    fn visit_expr(&mut self, _: &'a Expr) {}
    fn visit_macro(&mut self, _: &'a Macro) {}
}

#[cfg(test)]
mod tests {
    use super::first;

    #[test]
    fn a_borrow_is_found_wherever_it_is() {
        for ty in [
            "&str",
            "&mut u8",
            "&'a str",
            "Option<&str>",
            "(u8, [&u8; 3])",
            "Cow<'a, str>",
            "Iter<'_, u8>",
            "Box<dyn Fn() + 'a>",
            "Box<dyn Fn(&u8) -> u8 + '_>",
            "fn(&'a u8)",
            "Pin<&mut Self>",
            "&'static [&str]",
            "Vec<for<'x> fn(&'x u8, &'y u8)>",
            "(for<'x> fn(&'x u8), &'x u8)",
            "<&str as Trait>::Out",
        ] {
            assert!(first(&syn::parse_str(ty).unwrap()).is_some(), "{ty}");
        }
    }

    #[test]
    fn what_holds_no_borrow_passes() {
        for ty in [
            "String",
            "&'static str",
            "Cow<'static, str>",
            "Box<dyn Fn(&str) -> &u8 + Send>",
            "fn(&str, Iter<'_, u8>) -> &u8",
            "for<'x> fn(&'x u8)",
            "Box<dyn for<'x> Parse<'x> + Send>",
            "[u8; size::<&str>()]",
            "*const u8",
        ] {
            assert!(first(&syn::parse_str(ty).unwrap()).is_none(), "{ty}");
        }
    }
}
