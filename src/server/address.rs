//! The addresses of the functions.

use percent_encoding::percent_decode_str;

use crate::host::HTTP_OUTPUT;

/// The functions, each a folder with a `function.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    ApproveRelease,
    RequestApproval,
    Approvals,
    Messages,
    Deliver,
}

impl Function {
    const ALL: [Self; 5] =
        [Self::ApproveRelease, Self::RequestApproval, Self::Approvals, Self::Messages, Self::Deliver];

    /// The folder's name, which is the path of an invocation payload.
    pub fn name(self) -> &'static str {
        match self {
            Self::ApproveRelease => "ApproveRelease",
            Self::RequestApproval => "RequestApproval",
            Self::Approvals => "Approvals",
            Self::Messages => "Messages",
            Self::Deliver => "Deliver",
        }
    }

    /// The name of its HTTP output, if it has one.
    pub fn output(self) -> Option<&'static str> {
        self.route().map(|_| HTTP_OUTPUT)
    }

    /// The path under `/api/`, if it has one.
    fn route(self) -> Option<&'static str> {
        match self {
            Self::ApproveRelease => Some("ApproveRelease"),
            Self::RequestApproval => Some("RequestApproval"),
            Self::Approvals => Some("approvals"),
            Self::Messages => Some("messages"),
            Self::Deliver => None,
        }
    }

    /// True if an id may follow in the path.
    fn takes_id(self) -> bool {
        matches!(self, Self::RequestApproval | Self::Approvals)
    }
}

/// The meaning of a path.
#[derive(Debug, PartialEq, Eq)]
pub enum Address {
    /// The readiness and health check of the host.
    Ready,
    /// An invocation payload.
    Invocation(Function),
    /// A caller's request, handed on, and the id that its path names.
    Forwarded(Function, Option<String>),
    /// No address of ours.
    Nothing,
}

/// The address at `path`. Callers' paths match whatever their case and with or without one slash at the end, as in the
/// host; payload paths match exactly.
pub fn address(path: &str) -> Address {
    if path == "/" {
        return Address::Ready;
    }
    if let Some(function) =
        Function::ALL.into_iter().find(|function| path.strip_prefix('/') == Some(function.name()))
    {
        return Address::Invocation(function);
    }
    let route = path.get(..5).filter(|prefix| prefix.eq_ignore_ascii_case("/api/")).map(|_| &path[5..]);
    route
        .map(|route| route.strip_suffix('/').unwrap_or(route))
        .and_then(forwarded)
        .unwrap_or(Address::Nothing)
}

fn forwarded(path: &str) -> Option<Address> {
    let (route, id) = path.split_once('/').map_or((path, None), |(route, id)| (route, Some(id)));
    let is_named =
        |function: &Function| function.route().is_some_and(|name| name.eq_ignore_ascii_case(route));
    let function = Function::ALL.into_iter().find(is_named)?;
    match id {
        None => Some(Address::Forwarded(function, None)),
        Some(id) if function.takes_id() && !id.is_empty() && !id.contains('/') => {
            let id = percent_decode_str(id).decode_utf8_lossy().into_owned();
            Some(Address::Forwarded(function, Some(id)))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_paths_match_whatever_the_case_and_payload_paths_exactly() {
        for path in ["/api/ApproveRelease", "/API/approverelease", "/api/APPROVERELEASE/"] {
            assert_eq!(address(path), Address::Forwarded(Function::ApproveRelease, None), "{path}");
        }
        assert_eq!(address("/ApproveRelease"), Address::Invocation(Function::ApproveRelease));
        assert_eq!(address("/"), Address::Ready);
        for path in [
            "/approverelease",
            "/ApproveRelease/",
            "/api/ApproveRelease//",
            "/api/ApproveRelease/42",
            "/api/approvals/42/43",
            "/api/approvals//",
            "/api/",
            "/api",
            "/Nope",
            "",
            "/é",
            "/apié",
        ] {
            assert_eq!(address(path), Address::Nothing, "{path}");
        }
    }

    #[test]
    fn an_id_in_the_path_is_taken_as_it_is() {
        let approvals = |id: Option<&str>| Address::Forwarded(Function::Approvals, id.map(str::to_owned));
        for path in ["/api/approvals", "/api/Approvals/"] {
            assert_eq!(address(path), approvals(None), "{path}");
        }
        for path in ["/api/approvals/aB", "/API/APPROVALS/aB/", "/api/approvals/%61B"] {
            assert_eq!(address(path), approvals(Some("aB")), "{path}");
        }
    }
}
