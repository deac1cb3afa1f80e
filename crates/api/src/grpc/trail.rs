//! What one call leaves in the audit log. All of it is only there while somebody keeps one.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use ketch_auth::Caller;
use ketch_base::{Code, GrpcCode};

use super::record::Meter;
use super::told::Told;
use crate::method::Method;
use crate::ports::{About, Audit, Auth, Credentials, Entry, How, Origin, Part, Pass};
use crate::status::{self, Status};

/// Whose call it is.
#[derive(Clone, Debug)]
pub(super) struct Who {
    origin: Origin,
    has_token: bool,
    has_name: bool,
    /// Authentication was on: credentials were looked at.
    is_judged: bool,
    caller: Option<Arc<Caller>>,
}

/// What is known of one call under way.
#[derive(Debug)]
pub(crate) struct Trail {
    began: Instant,
    who: Who,
    about: About,
}

/// Whether the audit log tells of a method: not of questions after health.
pub(super) fn is_told(method: Method) -> bool {
    !matches!(method, Method::HealthCheck | Method::HealthList | Method::HealthWatch)
}

impl Who {
    /// Takes note of what the gate found out; a refusal does not say whom it refused.
    fn judged<P: Auth>(
        &mut self,
        verdict: Result<&Pass, Code>,
        ports: &P,
        credentials: &Credentials,
    ) {
        match verdict {
            Ok(pass) => {
                self.is_judged = pass.is_judged;
                self.caller.clone_from(&pass.caller);
            }
            Err(_) => self.look(ports, credentials),
        }
    }

    /// Asks for the caller, where no verdict told.
    fn look<P: Auth>(&mut self, ports: &P, credentials: &Credentials) {
        self.is_judged = ports.is_auth_enabled();
        self.caller = if self.is_judged { ports.known(credentials) } else { None };
    }

    fn how(&self) -> How {
        match self {
            Self { is_judged: false, .. } => How::Nothing,
            Self { has_token: true, .. } => How::Token,
            Self { has_name: true, .. } => How::Certificate,
            _ => How::Nothing,
        }
    }

    fn entry<'a>(&'a self, method: Method, began: Instant, about: &'a About) -> Entry<'a> {
        Entry {
            method,
            part: Part::Call,
            began,
            took: began.elapsed(),
            origin: &self.origin,
            user: self.caller.as_ref().map(|caller| caller.user.as_str()),
            how: self.how(),
            about,
            status: status::OK,
            text: "",
        }
    }
}

impl Trail {
    /// Of a call that begins now.
    pub(super) fn begin(origin: &Origin, credentials: &Credentials) -> Box<Self> {
        Box::new(Self {
            began: Instant::now(),
            who: Who {
                origin: origin.clone(),
                has_token: credentials.token().is_some(),
                has_name: credentials.common_name().is_some(),
                is_judged: false,
                caller: None,
            },
            about: About::default(),
        })
    }

    /// The request was read.
    pub(super) fn asked(&mut self, about: About) {
        self.about = about;
    }

    /// What its answer told of what it was about.
    pub(super) fn learned(&mut self, about: impl FnOnce(&mut About)) {
        about(&mut self.about);
    }

    /// See [`Who::judged`].
    pub(super) fn judged<P: Auth>(
        &mut self,
        verdict: Result<&Pass, Code>,
        ports: &P,
        credentials: &Credentials,
    ) {
        self.who.judged(verdict, ports, credentials);
    }

    /// The caller of a request that did not come to the gate, or not as one.
    pub(super) fn look<P: Auth>(&mut self, ports: &P, credentials: &Credentials) {
        if !self.who.is_judged {
            self.who.look(ports, credentials);
        }
    }

    /// Tells of the whole call.
    pub(super) fn tell(&self, audit: &dyn Audit, method: Method, end: Result<(), &Status>) {
        let (number, text) = end.err().map_or((status::OK, ""), |end| (end.number, &*end.text));
        let entry = self.who.entry(method, self.began, &self.about);
        audit.note(&Entry { status: number, text, ..entry });
    }

    /// For a stream that is told of by its parts.
    pub(super) fn into_scribe(self, meter: &Meter) -> Scribe {
        Scribe { meter: meter.clone(), began: self.began, who: self.who }
    }
}

/// Tells of the parts of a stream, and of its end if something broke it.
pub(super) struct Scribe {
    meter: Meter,
    began: Instant,
    who: Who,
}

/// A part of a stream that was asked for and has not come out yet.
#[derive(Debug)]
pub(super) struct Asked {
    began: Instant,
    about: About,
    who: Option<Who>,
}

impl Asked {
    /// A message that came now.
    pub(super) fn now(message: &impl Told) -> Self {
        Self { began: Instant::now(), about: message.about(), who: None }
    }

    /// What comes of itself.
    pub(super) fn nothing() -> Self {
        Self { began: Instant::now(), about: About::default(), who: None }
    }
}

impl Scribe {
    /// Takes note of whose message it is.
    pub(super) fn judged<P: Auth>(
        &self,
        asked: Asked,
        verdict: Result<&Pass, Code>,
        ports: &P,
        credentials: &Credentials,
    ) -> Asked {
        let mut who = self.who.clone();
        who.judged(verdict, ports, credentials);
        Asked { who: Some(who), ..asked }
    }

    /// Tells of a part that came out.
    pub(super) fn tell(&self, asked: &Asked, part: Part, status: u8, text: &str) {
        let who = asked.who.as_ref().unwrap_or(&self.who);
        self.note(who, asked.began, &asked.about, part, status, text);
    }

    /// Tells of the end of the stream, where neither a message of it nor the client is the
    /// reason.
    pub(super) fn broke(&self, end: &Status) {
        if end.number == GrpcCode::Canceled as u8 {
            return;
        }
        let about = About::default();
        self.note(&self.who, self.began, &about, Part::Call, end.number, &end.text);
    }

    fn note(&self, who: &Who, began: Instant, about: &About, part: Part, status: u8, text: &str) {
        let Meter { observer, method } = &self.meter;
        if let Some(audit) = observer.audit() {
            let entry = who.entry(*method, began, about);
            audit.note(&Entry { part, status, text, ..entry });
        }
    }
}

impl fmt::Debug for Scribe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scribe").field("who", &self.who).finish_non_exhaustive()
    }
}
