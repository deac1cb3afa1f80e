//! No function over 70 lines.

use anyhow::{Context, Result};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::Findings;

const FUNCTION_LINES_MAX: usize = 70;

/// Measures every function of one file, signature and body.
pub(super) fn check(subject: &str, text: &str, findings: &mut Findings) -> Result<()> {
    let file = syn::parse_file(text).with_context(|| format!("parse {subject}"))?;
    let mut walk = Walk { subject, findings };
    walk.visit_file(&file);
    Ok(())
}

struct Walk<'a> {
    subject: &'a str,
    findings: &'a mut Findings,
}

impl Walk<'_> {
    fn measure(&mut self, name: &syn::Ident, block: &syn::Block) {
        let lines = block.span().end().line.saturating_sub(name.span().start().line) + 1;
        if lines > FUNCTION_LINES_MAX {
            self.findings.add(
                "function-lines",
                &format!("{}::{name}", self.subject),
                &format!("{lines} lines, {FUNCTION_LINES_MAX} allowed"),
            );
        }
    }
}

impl<'ast> Visit<'ast> for Walk<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.measure(&item.sig.ident, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.measure(&item.sig.ident, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.measure(&item.sig.ident, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}
