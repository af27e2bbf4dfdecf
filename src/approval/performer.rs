//! The people who click, and the people who may decide.

use std::fmt;

/// A GUID, the form in which Entra names tenants, apps and persons; the case of its digits does not matter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Guid(String);

impl Guid {
    /// Reads a GUID in its usual form: 8, 4, 4, 4 and 12 digits.
    pub fn parse(text: &str) -> Option<Self> {
        let lengths = text.split('-').map(str::len);
        let digits = text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit());
        (digits && lengths.eq([8, 4, 4, 4, 12])).then(|| Self(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The one who clicked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Performer {
    /// Anyone: identity is not required here.
    Anonymous,
    /// A person whom an issuer vouches for.
    Person(Person),
}

impl Performer {
    /// True if the two are the same person, whatever their names.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Anonymous, Self::Anonymous) => true,
            (Self::Person(one), Self::Person(other)) => {
                one.object_id == other.object_id && one.tenant == other.tenant
            }
            _ => false,
        }
    }

    /// True if a user principal name came with the performer.
    pub fn has_name(&self) -> bool {
        matches!(self, Self::Person(Person { user_principal_name: Some(_), .. }))
    }

    /// True if the two count as one: they are the same person, or both came by one user principal name, which passed from
    /// one account to another in between. One entry of a list is one person.
    // T44
    pub fn counts_as(&self, other: &Self) -> bool {
        let share_name = match (self, other) {
            (Self::Person(one), Self::Person(another)) => {
                let names = one.user_principal_name.as_deref().zip(another.user_principal_name.as_deref());
                names.is_some_and(|(one, another)| one.eq_ignore_ascii_case(another))
            }
            _ => false,
        };
        self.is_same(other) || share_name
    }

    /// The performer's name, if it is known; never a user principal name.
    pub fn display_name(&self) -> Option<&str> {
        match self {
            Self::Anonymous => Some("anonymous"),
            Self::Person(person) => person.display_name.as_deref(),
        }
    }
}

/// A person of a tenant.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// The object id, which with the tenant is the identity.
    pub object_id: Guid,
    /// The tenant.
    pub tenant: Guid,
    /// The name that administrators gave the person; for allow-lists that people write, and never shown.
    pub user_principal_name: Option<String>,
    /// The name that the person goes by; people choose it, so it is only for showing.
    pub display_name: Option<String>,
}

/// Keeps names and addresses of people out of logs.
impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Person({})", self.object_id)
    }
}

/// Keeps names out of logs.
impl fmt::Debug for Approver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ObjectId(object_id) => write!(f, "Approver({object_id})"),
            Self::Group(group) => write!(f, "Approver(group {group})"),
            Self::UserPrincipalName(_) => write!(f, "Approver(by name)"),
        }
    }
}

impl fmt::Display for Performer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("anonymous"),
            Self::Person(person) => write!(f, "{}", person.object_id),
        }
    }
}

/// The people who may decide (`APPROVERS`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Approvers {
    /// `*`: everybody in the tenant.
    Everybody,
    /// These and nobody else.
    Only(Vec<Approver>),
}

/// One entry of `APPROVERS`.
#[derive(Clone, PartialEq, Eq)]
pub enum Approver {
    /// A person, by object id.
    ObjectId(Guid),
    /// A person, by user principal name.
    UserPrincipalName(String),
    /// Everybody in a group of Entra, by its object id.
    Group(Guid),
}

impl Approver {
    const GROUP: &str = "group:";

    /// Reads an object id, a user principal name or `group:` with an object id; never a display name.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(group) = text.strip_prefix(Self::GROUP) {
            return Guid::parse(group).map(Self::Group);
        }
        if let Some(object_id) = Guid::parse(text) {
            return Some(Self::ObjectId(object_id));
        }
        let (name, domain) = text.split_once('@')?;
        // No user principal name has these; a list with the wrong commas does.
        let foreign = |c: char| c.is_whitespace() || c.is_control() || "*<>()[]\"\\/:;,|=+?@".contains(c);
        let is_part = |part: &str| !part.is_empty() && !part.contains(foreign);
        (is_part(name) && is_part(domain)).then(|| Self::UserPrincipalName(text.to_owned()))
    }

    /// True if the two are the same entry, whatever the case of their letters.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::ObjectId(one), Self::ObjectId(other)) | (Self::Group(one), Self::Group(other)) => {
                one == other
            }
            (Self::UserPrincipalName(one), Self::UserPrincipalName(other)) => one.eq_ignore_ascii_case(other),
            _ => false,
        }
    }

    /// True if the entry is a name, and not an id.
    pub fn is_name(&self) -> bool {
        matches!(self, Self::UserPrincipalName(_))
    }

    /// The text that is parsed to the same entry.
    pub fn as_text(&self) -> String {
        match self {
            Self::ObjectId(object_id) => object_id.to_string(),
            Self::UserPrincipalName(name) => name.clone(),
            Self::Group(group) => format!("{}{group}", Self::GROUP),
        }
    }

    /// The group, if the entry is one.
    pub fn group(&self) -> Option<&Guid> {
        match self {
            Self::Group(group) => Some(group),
            Self::ObjectId(_) | Self::UserPrincipalName(_) => None,
        }
    }

    /// True if the entry lists `person`; `is_member` knows who is in a group.
    pub fn lists(&self, person: &Person, is_member: &dyn Fn(&Guid, &Person) -> bool) -> bool {
        self.group().map_or_else(|| self.is(person), |group| is_member(group, person))
    }

    /// True if the entry is this person, by object id or name.
    // T12
    pub fn is(&self, person: &Person) -> bool {
        match self {
            Self::ObjectId(object_id) => *object_id == person.object_id,
            Self::UserPrincipalName(name) => person
                .user_principal_name
                .as_ref()
                .is_some_and(|of_person| of_person.eq_ignore_ascii_case(name)),
            // Only whoever has asked Entra knows.
            Self::Group(_) => false,
        }
    }
}

impl Default for Approvers {
    fn default() -> Self {
        Self::Only(Vec::new())
    }
}

impl Approvers {
    /// True if `performer` may decide. The anonymous performer exists only if nobody has to say who they are.
    pub fn include(&self, performer: &Performer) -> bool {
        match (self, performer) {
            (_, Performer::Anonymous) | (Self::Everybody, _) => true,
            (Self::Only(listed), Performer::Person(_)) => Self::includes(listed, performer),
        }
    }

    /// True if `performer` is one of those listed, or the anonymous one.
    pub fn includes(listed: &[Approver], performer: &Performer) -> bool {
        match performer {
            Performer::Anonymous => true,
            Performer::Person(person) => listed.iter().any(|approver| approver.is(person)),
        }
    }

    /// True if `performer` is one of those listed, or may be one. If only the object id is recorded and only names are
    /// listed, nobody can tell now: the vote was checked against the list when it was cast.
    pub fn may_include(listed: &[Approver], performer: &Performer) -> bool {
        let only_names = || !listed.is_empty() && listed.iter().all(Approver::is_name);
        let is_nameless = match performer {
            Performer::Anonymous => false,
            Performer::Person(person) => person.user_principal_name.is_none(),
        };
        Self::includes(listed, performer) || (is_nameless && only_names())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALEX: &str = "0a0b0c0d-1111-2222-3333-444455556666";

    fn person(name: Option<&str>) -> Performer {
        Performer::Person(Person {
            object_id: Guid::parse(ALEX).expect("a GUID"),
            tenant: Guid::parse("99999999-1111-2222-3333-444455556666").expect("a GUID"),
            user_principal_name: name.map(str::to_owned),
            display_name: Some("alex@contoso.com".to_owned()),
        })
    }

    fn only(entry: &str) -> Approvers {
        Approvers::Only(vec![Approver::parse(entry).expect("an approver")])
    }

    #[test]
    fn guids_are_read_in_one_form_and_compared_whatever_their_case() {
        assert_eq!(Guid::parse(ALEX), Guid::parse(&ALEX.to_uppercase()));
        for text in [
            "",
            "0a0b0c0d",
            &ALEX[1..],
            &format!("{{{ALEX}}}"),
            &ALEX.replace('-', ""),
            &ALEX.replace('a', "g"),
            &format!("{ALEX}-"),
        ] {
            assert_eq!(Guid::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn approvers_are_found_by_object_id_or_exact_user_principal_name() {
        assert!(only(&ALEX.to_uppercase()).include(&person(None)));
        assert!(only("Alex@Contoso.com").include(&person(Some("alex@contoso.COM"))));
        assert!(!only("alex@contoso.com").include(&person(Some("alex@contoso.com.evil"))));
        assert!(!only("11110c0d-1111-2222-3333-444455556666").include(&person(None)));
    }

    #[test]
    fn a_display_name_makes_nobody_an_approver() {
        assert!(!only("alex@contoso.com").include(&person(None)));
        assert_eq!(Approver::parse("Alex Wilber"), None);
        assert!(Approver::parse("alex_fabrikam.com#EXT#@contoso.onmicrosoft.com").is_some());
    }

    #[test]
    fn a_group_lists_those_alone_of_whom_it_is_told() {
        let group = format!("group:{}", ALEX.to_uppercase());
        let listed = Approver::parse(&group).expect("a group");
        assert_eq!(listed.as_text(), group.to_lowercase());
        assert!(listed.is_same(&Approver::parse(&group.replace('A', "a")).expect("the same group")));
        assert!(!listed.is_same(&Approver::parse(ALEX).expect("a person")));
        let alex = person(Some("alex@contoso.com"));
        assert!(!only(&group).include(&alex), "the person's own id is no group's");
        let Performer::Person(alex) = alex else { unreachable!() };
        assert!(!listed.lists(&alex, &|_, _| false));
        assert!(listed.lists(&alex, &|group, person| *group == person.object_id));
        for bad in ["group:", "group:Admins", "Group:0a0b0c0d-1111-2222-3333-444455556666", "group: 0a"] {
            assert_eq!(Approver::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn letters_outside_ascii_are_compared_to_the_letter() {
        assert!(!only("Ä@x.com").include(&person(Some("ä@x.com"))));
        assert!(!only("K@x.com").include(&person(Some("\u{212A}@x.com"))));
    }

    #[test]
    fn nobody_is_an_approver_unless_somebody_says_so() {
        assert!(!Approvers::default().include(&person(Some("alex@contoso.com"))));
        assert!(Approvers::Everybody.include(&person(None)));
        assert!(Approvers::default().include(&Performer::Anonymous));
    }
}
