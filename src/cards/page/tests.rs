//! The pages show every fact in its place, and no text from outside can leave its own.

use chrono::TimeDelta;

use super::*;
use crate::{
    approval::{
        ApprovalId, Approvers, Attempt, AttemptResult, ClientPayload, Decision, DeliveryState, Forbidden,
        Item, Judgement, MessageName, Next, Performer, Policy, Progress, RelayStanding, Repository,
        RepositoryDispatch, Ruling, SendAnswer, Standing, Terms, Verdict, Workload,
    },
    cards::{
        Cards,
        content::Content,
        samples::{self, ALEX, ballot, cards, event_type, noon, policy, wild},
        words::name,
    },
};

/// The rights of an approver, and of anyone else.
pub static MAY: Judgement = Judgement {
    approve: Ok(()),
    reject: Ok(()),
    withdraw: Ok(()),
    needs_name: false,
    needs_name_to_approve: false,
    is_open: true,
    closed: None,
};
static MAY_NOT: Judgement = Judgement {
    approve: Err(Forbidden::Performer),
    reject: Err(Forbidden::Performer),
    withdraw: Err(Forbidden::Performer),
    needs_name: false,
    needs_name_to_approve: false,
    is_open: true,
    closed: None,
};

const HOSTILE: &str =
    r#"</title></style></textarea><script>alert(1)</script>"><img src=x onerror='alert(2)'>&lt;"#;

fn person(display_name: Option<&str>) -> Performer {
    samples::person(1, display_name)
}

fn payload(json: &str) -> Option<ClientPayload> {
    Some(ClientPayload::parse(serde_json::from_str(json).expect("JSON")).expect("a payload"))
}

/// An approval with `text` wherever anyone can write anything, also in the payload.
fn saying(text: &str) -> Standing {
    let (quoted, mut seen) = (serde_json::Value::from(text), wild(text));
    seen.request.terms.client_payload = payload(&format!("{{{quoted}:{quoted}}}"));
    seen
}

/// A release as workflows ask for it.
fn release() -> Standing {
    let mut seen = saying("1.4.2");
    let request = &mut seen.request;
    request.terms = Terms {
        client_payload: payload(r#"{"version":"1.4.2","image":"ghcr.io/octo/app:1.4.2"}"#),
        title: Some("Release 1.4.2 to production".into()),
        text: Some("Fixes the login page. All checks of the staging environment are green.".into()),
        facts: vec![("Environment".into(), "production".into()), ("Build".into(), "20260304.1".into())],
        approvals_required: 2,
        expires_in: TimeDelta::days(3),
        ..Terms::sample(event_type("release-approved"))
    };
    let repository = request.workload.repository.clone();
    request.workload = Workload { run_id: "17512345678".into(), ..Workload::sample(repository) };
    seen.ballots = vec![ballot(1, "Alex Wilber", "Looks good.")];
    seen
}

fn decided(ending: Ending, delivery: DeliveryState) -> Standing {
    let mut seen = release();
    seen.request.terms.rejected_event_type = Some(event_type("release-rejected"));
    seen.request.terms.approvals_required = 1;
    if ending == Ending::Rejected {
        seen.ballots[0].verdict = Verdict::Reject;
    }
    let ballots = seen.ballots.clone();
    seen.ruling = Some(Ruling {
        ending,
        ballots,
        decided_at: noon() - TimeDelta::minutes(5),
        ticket: None,
        withdrawal: None,
        policy: None,
    });
    with_delivery(seen, delivery)
}

/// The same, whose event stands so.
fn with_delivery(mut standing: Standing, delivery: DeliveryState) -> Standing {
    let attempt =
        Attempt { number: 1, began_at: noon(), lease_until: noon(), window_from: noon(), failures: 0 };
    let result = AttemptResult {
        ended_at: noon(),
        what: SendAnswer::NotTried,
        detail: String::new(),
        asked_to_wait_until: None,
        next: Next::Dead,
        shown: None,
    };
    let progress = match delivery {
        DeliveryState::None | DeliveryState::Pending => Progress::Untried,
        DeliveryState::Delivered => Progress::Done(Some(noon())),
        DeliveryState::Dead => Progress::Tried(attempt, Some(result)),
    };
    standing.messages.insert(MessageName::DISPATCH, progress);
    standing
}

fn relayed(text: &str) -> Item {
    let repository = Repository::parse("octo/app").expect("a repository");
    let dispatch = RepositoryDispatch { repository, event_type: event_type(text), client_payload: None };
    let decision = Decision::new(dispatch, person(Some(text)), noon());
    Item::Relayed(Box::new(RelayStanding { decision, progress: Progress::Done(Some(noon())) }))
}

fn requested(seen: Standing) -> Item {
    Item::Requested(Box::new(seen))
}

fn view(performer: &Performer) -> View<'_> {
    View { performer, judgement: &MAY, said: None, offers_samples: false }
}

fn show(seen: &Standing) -> String {
    show_to(seen, &view(&person(None)))
}

fn show_to(seen: &Standing, view: &View) -> String {
    approval(&cards(), &Content::of(seen, &policy(), noon()), view)
}

fn listing<'a>(policy: &'a Policy, waiting: &'a [Item], recent: &'a [Item]) -> Listing<'a> {
    Listing {
        reader: &Performer::Anonymous,
        views: &[],
        waiting,
        recent,
        is_first: true,
        sees_all: true,
        next: None,
        policy,
        offers_samples: false,
        now: noon(),
    }
}

fn show_list(waiting: &[Item], recent: &[Item]) -> String {
    list(&cards(), &listing(&policy(), waiting, recent))
}

/// Every kind of page, with `text` wherever somebody else's text can stand.
fn pages(text: &str) -> Vec<String> {
    let alex = person(Some(text));
    let said = Some(Said { sentence: text, is_error: true });
    let of = |seen: &Standing| show_to(seen, &View { said, ..view(&alex) });
    let mut over = saying(text);
    let ballots = over.ballots.clone();
    over.ruling = Some(Ruling {
        ending: Ending::Approved,
        ballots,
        decided_at: noon(),
        ticket: None,
        withdrawal: None,
        policy: None,
    });
    let over = with_delivery(over, DeliveryState::Dead);
    let items = [requested(over.clone()), requested(saying(text)), relayed(text)];
    vec![
        of(&saying(text)),
        of(&over),
        list(&cards(), &Listing { next: Some(text), ..listing(&policy(), &items, &items) }),
        show_list(&[], &[]),
        note(text, text, None, Some((text, text))),
    ]
}

fn count(page: &str, part: &str) -> usize {
    page.matches(part).count()
}

#[test]
fn hostile_text_in_every_field_adds_no_character_that_has_a_meaning_in_html() {
    for (hostile, harmless) in pages(HOSTILE).iter().zip(pages("harmless")) {
        for character in ["<", ">", "\"", "'"] {
            assert_eq!(count(hostile, character), count(&harmless, character), "{character} in {hostile}");
        }
        assert!(!hostile.contains("<script") && !hostile.contains("<img src=x"), "{hostile}");
    }
}

#[test]
fn hostile_text_is_shown_to_the_letter() {
    let escaped =
        "&#60;script&#62;alert(1)&#60;/script&#62;&#34;&#62;&#60;img src=x onerror=&#39;alert(2)&#39;";
    let page = show(&saying(HOSTILE));
    // Title, ref, actor, a fact's name and two values, two event types, the comments of three votes, the run and its attempt,
    // which also stand in the line of the fold; five commits, and twenty files. A person's name is cut; the text is Markdown, and has tests of its own.
    assert_eq!(count(&page, escaped), 15 + 5 + 20, "{page}");
    assert!(page.contains(r"&#62;alert(1)&#60;/script&#62;\&#34;"), "the payload: {page}");
}

#[test]
fn the_style_hash_is_that_of_the_text_in_every_page() {
    for page in pages("harmless") {
        let (_, rest) = page.split_once("<style>").expect("a style element");
        let (style, _) = rest.split_once("</style>").expect("its end");
        assert_eq!(style_hash(), BASE64_STANDARD.encode(digest(&SHA256, style.as_bytes())));
    }
    // A browser hashes the text after it has made every line's end a line feed.
    assert!(!STYLE.contains('\r'));
}

#[test]
fn nothing_in_a_page_needs_more_than_the_policy_allows() {
    for page in pages("harmless") {
        // Our mark alone is an image.
        let mark = MARK.as_str();
        let page = page.replace(&format!(r#"<link rel="icon" href="{mark}">"#), "");
        let page = page.replace(&format!(r#"<img src="{mark}" alt="" width="24" height="24">"#), "");
        for part in
            ["style=", "<script", "<img", "<link", "src=", "data:", "url(", "@import", " action=", "onclick"]
        {
            assert!(!page.contains(part), "{part} in {page}");
        }
    }
}

#[test]
fn every_page_has_one_main_heading_one_main_landmark_and_no_id_twice() {
    for page in pages("harmless") {
        for part in
            ["<!doctype html>", "lang=\"en\"", "<h1", "<main>", "<header>", "<title>", "name=\"viewport\""]
        {
            assert_eq!(count(&page, part), 1, "{part} in {page}");
        }
        let mut ids: Vec<_> = page.split(" id=\"").skip(1).map(|rest| rest.split('"').next()).collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "{ids:?}");
    }
}

#[test]
fn an_approver_of_what_waits_gets_both_buttons_and_a_comment() {
    // Another than the one who has approved already.
    let page = show_to(&release(), &view(&Performer::Anonymous));
    assert!(page.contains(r#"<form id="your-vote" method="post">"#));
    assert!(page.contains(r#"name="verdict" value="approve">Approve<"#), "{page}");
    assert!(page.contains(r#"name="verdict" value="reject">Reject<"#));
    assert!(page.contains(r#"name="comment" rows="3" maxlength="500""#));
    assert!(page.contains("Waiting for approval") && page.contains("1 of 2"));
}

#[test]
fn what_matters_to_deciding_stands_open_and_in_order_and_the_fold_says_what_is_in_it() {
    let mut seen = release();
    let workload = &mut seen.request.workload;
    workload.environment = Some("live".into());
    workload.run_number = Some("42".into());
    workload.job_workflow_ref = Some("octo/my_app/.github/workflows/release.yml@refs/heads/main".into());
    let page = show_to(&seen, &view(&Performer::Anonymous));
    let (open, folded) = page.split_once("<details>").expect("a fold");
    let parts = [
        "Waiting for approval</p>",
        "<h1 ",
        ">The workflow says</p>",
        "Release 1.4.2 to production",
        "in 3 days",
        ">From GitHub<",
        "<dt>Branch</dt><dd><code><bdi>main</bdi></code></dd>",
        "<dt>Commit</dt>",
        "<dt>Environment</dt><dd><code><bdi>live</bdi></code></dd>",
        "<dt>Started by</dt>",
        "ghcr.io/octo/app:1.4.2",
        "Fixes the login page.",
        "Looks good.",
        "<dt>Approve sends</dt>",
        "<textarea",
        ">Approve</button>",
    ];
    let body = open.split_once("<main>").expect("a main part").1;
    let places: Vec<_> =
        parts.iter().map(|part| body.find(part).unwrap_or_else(|| panic!("{part}"))).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert!(folded.contains("<summary>More: run #42, workflow</summary>"), "{folded}");
    assert!(folded.contains(r#"attempts/1">#42</a>"#) && folded.contains("release.yml@refs/heads/main"));
    let over = show(&decided(Ending::Approved, DeliveryState::Delivered));
    assert!(over.contains("<summary>More: run 17512345678, what an answer sends</summary>"), "{over}");
}

#[test]
fn the_ref_of_a_row_is_never_read_as_another_one() {
    let row = |git_ref: &str| {
        let mut seen = release();
        seen.request.workload.git_ref = git_ref.into();
        show_list(&[requested(seen)], &[])
    };
    for (git_ref, shown) in [
        ("refs/heads/main", "Branch <bdi>main</bdi>"),
        ("refs/tags/v1", "Tag <bdi>v1</bdi>"),
        ("refs/heads/refs/tags/v1", "Ref <bdi>refs/heads/refs/tags/v1</bdi>"),
        ("refs/heads/ma\u{200b}in", "Branch <bdi>ma\\u{200b}in</bdi>"),
    ] {
        assert!(row(git_ref).contains(&format!("<span class=\"cut two\">{shown}</span>")), "{git_ref}");
    }
}

#[test]
fn a_record_that_cannot_be_read_says_so_among_what_waits_and_among_decisions() {
    let items = [Item::Unreadable("0123".into(), noon())];
    let page = show_list(&items, &items);
    assert_eq!(count(&page, "<bdi>0123: a record of it cannot be read</bdi>"), 2, "{page}");
    assert_eq!(count(&page, "A newer version wrote it, or it is damaged. The log names the record."), 2);
    assert!(!page.contains("<strong"), "{page}");
}

#[test]
fn another_sample_is_offered_only_where_there_are_samples() {
    let button = r#"<form method="post" action="/api/approvals"><button>Another sample</button></form>"#;
    let policy = Policy { dry_run: true, ..policy() };
    let listed = |offers_samples| list(&cards(), &Listing { offers_samples, ..listing(&policy, &[], &[]) });
    assert!(listed(true).contains(button) && !listed(false).contains("Another sample"));
    let (seen, alex) = (release(), person(None));
    let shown = |offers_samples| {
        let view = View { offers_samples, ..view(&alex) };
        approval(&cards(), &Content::of(&seen, &policy, noon()), &view)
    };
    assert!(shown(true).contains(button) && !shown(false).contains("Another sample"));
}

#[test]
fn an_approver_who_was_not_asked_reads_why_there_are_no_buttons() {
    let alex = person(None);
    let page = show_to(&release(), &View { judgement: &MAY_NOT, ..view(&alex) });
    assert!(!page.contains("<form") && page.contains("the workflow asked other approvers"));
}

#[test]
fn a_person_who_has_approved_reads_that() {
    assert!(show(&release()).contains("You have approved this already"));
    let anonymous = Performer::Anonymous;
    let page = show_to(&release(), &view(&anonymous));
    assert!(!page.contains("You have approved this already"));
}

#[test]
fn who_has_approved_can_only_reject_until_another_approval_decides() {
    let mut seen = release();
    let buttons = |seen: &Standing| {
        let page = show(seen);
        (count(&page, r#"value="approve""#), count(&page, r#"value="reject""#))
    };
    assert_eq!(buttons(&seen), (0, 1), "{}", show(&seen));
    // Enough have approved, and nobody has written the decision: the next click does.
    seen.request.terms.approvals_required = 1;
    assert_eq!(buttons(&seen), (1, 1), "{}", show(&seen));
    assert!(!show(&seen).contains("You have approved this already"));
}

#[test]
fn what_came_of_a_click_has_the_colour_of_the_state() {
    let alex = person(None);
    let after = |seen: &Standing, is_error| {
        let said = Some(Said { sentence: "So it is.", is_error });
        show_to(seen, &View { said, ..view(&alex) })
    };
    for (seen, is_error, class) in [
        (release(), false, "waiting"),
        (decided(Ending::Approved, DeliveryState::Delivered), false, "approved"),
        (decided(Ending::Approved, DeliveryState::Dead), false, "stuck"),
        (decided(Ending::Rejected, DeliveryState::None), false, "rejected"),
        (decided(Ending::Rejected, DeliveryState::None), true, "error"),
    ] {
        let said = format!(r#"<p role="status" class="said {class}">So it is.</p>"#);
        assert!(after(&seen, is_error).contains(&said), "{said}");
    }
    assert!(!show(&release()).contains("role=\"status\""));
}

#[test]
fn a_page_says_who_is_signed_in_and_signs_them_out() {
    let (alex, policy) = (person(Some("Alex <b>")), policy());
    let listed = list(&cards(), &Listing { reader: &alex, ..listing(&policy, &[], &[]) });
    for page in
        [show_to(&release(), &view(&alex)), listed, note("Not allowed", "You may not.", Some(&alex), None)]
    {
        assert!(page.contains("Signed in as <bdi>Alex"), "{page}");
        assert_eq!(count(&page, r#"<a href="/.auth/logout">Sign out</a>"#), 1);
        assert!(!page.contains("<b>"));
    }
    // Nobody is signed in where identity is not required.
    assert!(!show_to(&release(), &view(&Performer::Anonymous)).contains("Sign out"));
}

#[test]
fn the_time_left_has_two_units_at_most() {
    for (minutes, words) in [
        (0, "in about a minute"),
        (1, "in about a minute"),
        (2, "in 2 min"),
        (59, "in 59 min"),
        (60, "in 1 h"),
        (61, "in 1 h 1 min"),
        (1439, "in 23 h 59 min"),
        (1440, "in 1 day"),
        (1499, "in 1 day"),
        (1500, "in 1 day 1 h"),
        (4319, "in 2 days 23 h"),
    ] {
        assert_eq!(super::left(&TimeDelta::minutes(minutes)), words);
    }
}

#[test]
fn a_decided_approval_has_no_buttons() {
    for ending in [Ending::Approved, Ending::Rejected, Ending::Expired] {
        for delivery in [DeliveryState::None, DeliveryState::Pending, DeliveryState::Delivered] {
            let page = show(&decided(ending, delivery));
            assert!(!page.contains("<form") && !page.contains("<button"), "{page}");
            assert!(!page.contains("Waiting for approval"));
        }
    }
}

#[test]
fn a_stuck_event_is_sent_again_by_the_same_vote() {
    for (ending, verdict) in
        [(Ending::Approved, "approve"), (Ending::Rejected, "reject"), (Ending::Expired, "send")]
    {
        let mut stuck = decided(ending, DeliveryState::Dead);
        stuck.request.terms.expired_event_type = Some(event_type("release-expired"));
        let page = show(&stuck);
        assert_eq!(count(&page, "<button"), 1);
        assert!(
            page.contains(&format!(
                r#"name="verdict" value="{verdict}" aria-describedby="again">Send again"#
            ))
        );
        assert!(!page.contains("<textarea"));
    }
    let alex = person(None);
    let looks = View { judgement: &MAY_NOT, ..view(&alex) };
    let page = show_to(&decided(Ending::Approved, DeliveryState::Dead), &looks);
    assert!(!page.contains("<button"));
}

#[test]
fn time_that_has_run_out_ends_the_vote_before_that_is_recorded() {
    let (late, seen) = (noon() + TimeDelta::days(4), release());
    let page = approval(&cards(), &Content::of(&seen, &policy(), late), &view(&person(None)));
    assert!(page.contains("Expired") && !page.contains("<form"), "{page}");
    let listed = [requested(release())];
    let page = list(&cards(), &Listing { now: late, ..listing(&policy(), &listed, &[]) });
    assert!(page.contains("Expired") && !page.contains("Waiting for approval"));
}

#[test]
fn the_result_says_who_decided_and_how_the_delivery_stands() {
    for (delivery, words) in [
        (DeliveryState::Pending, "on its way to GitHub"),
        (DeliveryState::Delivered, "delivered to GitHub"),
        (DeliveryState::Dead, "given up"),
    ] {
        let page = show(&decided(Ending::Approved, delivery));
        assert!(page.contains("<dt>Decided by</dt><dd><bdi>Alex Wilber</bdi></dd>"), "{page}");
        assert!(page.contains(&format!("<dt>Delivery</dt><dd>{words}</dd>")), "{page}");
    }
    let mut rejected = decided(Ending::Rejected, DeliveryState::None);
    rejected.request.terms.rejected_event_type = None;
    assert!(show(&rejected).contains("<dt>Delivery</dt><dd>nothing to send</dd>"));
    let mut unrecorded = decided(Ending::Approved, DeliveryState::None);
    unrecorded.ruling = None;
    let policy = Policy { approvers: Approvers::Everybody, ..policy() };
    let content = Content::of(&unrecorded, &policy, unrecorded.request.expires_at());
    assert!(approval(&cards(), &content, &view(&person(None))).contains("<dd>not sent yet</dd>"));
}

#[test]
fn an_expired_approval_says_that_nobody_decided() {
    let page = show(&decided(Ending::Expired, DeliveryState::None));
    assert!(
        page.contains("<dt>Decided by</dt><dd>nobody</dd>") && page.contains("nothing to send"),
        "{page}"
    );
    assert!(!page.contains("<dt>Decided</dt>"));
    let listed = show_list(&[], &[requested(decided(Ending::Expired, DeliveryState::None))]);
    assert!(
        listed
            .contains(r#"<strong class="cut two expired">Expired</strong> <span class="cut">nobody</span>"#)
    );
}

#[test]
fn links_lead_to_github_and_stay_within_the_repository() {
    let page = show(&release());
    let repository = "https://github.com/octo/my_app";
    for path in
        ["", "/commit/0123456789abcdef0123456789abcdef01234567", "/actions/runs/17512345678/attempts/1"]
    {
        assert!(page.contains(&format!("href=\"{repository}{path}\"")), "{path} in {page}");
    }
    let page = show(&saying("../../evil?#"));
    assert!(page.contains(&format!("href=\"{repository}/commit/..%2F..%2Fevil%3F%23\"")), "{page}");
}

#[test]
fn people_are_called_by_their_display_name_or_else_by_their_object_id() {
    assert_eq!(name(&person(Some("Alex Wilber"))), "Alex Wilber");
    assert_eq!(name(&person(Some(" "))), ALEX);
    assert_eq!(name(&person(None)), ALEX);
    assert_eq!(name(&Performer::Anonymous), "anonymous");
    assert!(!show(&release()).contains("@contoso.com"));
}

#[test]
fn times_are_for_people_and_programs() {
    let time = r#"<time datetime="2026-11-27T12:00:00.000Z">2026-11-27 12:00 UTC</time>"#;
    assert_eq!(Time(noon(), &TimeZone::UTC).to_string(), time);
    let until = r#"<strong>in 3 days</strong>, <time datetime="2026-11-30T12:00:00.000Z">2026-11-30 12:00 UTC</time>"#;
    assert!(show(&release()).contains(until), "{}", show(&release()));
}

#[test]
fn all_times_of_a_page_and_the_list_are_in_the_zone_that_is_set() {
    let cards = Cards { time_zone: TimeZone::parse("Asia/Kathmandu").expect("a zone"), ..cards() };
    let (alex, policy, over) = (person(None), policy(), decided(Ending::Approved, DeliveryState::Delivered));
    let (open, over_too) = ([requested(release())], [requested(over.clone())]);
    for page in [
        approval(&cards, &Content::of(&release(), &policy, noon()), &view(&alex)),
        approval(&cards, &Content::of(&over, &policy, noon()), &view(&alex)),
        list(&cards, &listing(&policy, &open, &over_too)),
    ] {
        let times = count(&page, "<time ");
        assert!(times >= 2 && times == count(&page, " UTC+5:45</time>"), "{page}");
    }
}

#[test]
fn a_payload_is_shown_to_the_letter_and_cannot_reorder_itself() {
    let mut seen = release();
    seen.request.terms.client_payload = payload("{\"n\":1.10,\"é\":\"a\u{202e}b\"}");
    let shown = "{\n  &#34;n&#34;: 1.10,\n  &#34;é&#34;: &#34;a\\u{202e}b&#34;\n}";
    assert!(show(&seen).contains(shown), "{}", show(&seen));
}

#[test]
fn a_request_without_a_title_is_called_by_its_repository() {
    let mut seen = release();
    for none in [None, Some("  ".to_owned())] {
        seen.request.terms.title = none;
        let (page, list) = (show(&seen), show_list(&[requested(seen.clone())], &[]));
        assert!(page.contains("<h1 id=\"approval\">Approval for <bdi>octo/my_app</bdi></h1>"), "{page}");
        assert!(!page.contains("class=\"title\""), "the workflow has said none: {page}");
        assert!(
            list.contains("<bdi>Release of octo/my_app</bdi></a>") && !list.contains("The workflow says")
        );
    }
}

#[test]
fn the_reader_of_a_comment_is_named_before_it_is_written() {
    let mut seen = release();
    let hint = |seen: &Standing, dry_run| {
        let (policy, alex) = (Policy { dry_run, ..policy() }, person(None));
        let page = approval(&cards(), &Content::of(seen, &policy, noon()), &view(&alex));
        let (_, hint) = page.split_once("At most 500 characters. ").expect("a hint");
        hint.split_once("</p>").expect("its end").0.to_owned()
    };
    let of = |rest: &str| format!("Other approvers can read it{rest}");
    let only_if_approved = of(". If this is approved, it is sent to GitHub with your name.");
    assert_eq!(hint(&seen, false), only_if_approved);
    seen.request.terms.rejected_event_type = Some(event_type("release-rejected"));
    assert_eq!(hint(&seen, false), of(", and it is sent to GitHub with your name."));
    assert_eq!(hint(&seen, true), of(". In a dry run it is not sent to GitHub."));
    seen.request.workload.is_public = true;
    let public = of(". It is not sent to GitHub, as everybody can read the repository.");
    assert_eq!(hint(&seen, false), public);
    assert_eq!(hint(&seen, true), of(". In a dry run it is not sent to GitHub."));
}

#[test]
fn a_row_links_to_its_page_and_nowhere_else() {
    let page = show_list(&[requested(release())], &[relayed("release-approved")]);
    let href = format!("/api/approvals/{}", ApprovalId::new(noon(), [7; 16]));
    let said = format!(
        "<span class=\"says\">The workflow says<span class=\"unseen\">: </span></span><span class=\"cut two\">\
         <a href=\"{href}\">“<bdi>Release 1.4.2 to production</bdi>”</a></span>"
    );
    assert!(page.contains(&said), "{page}");
    assert!(page.contains("<div><span class=\"cut two\"><bdi>release-approved</bdi></span></div></th>"));
    assert_eq!(count(&page, "<a "), 1);
}

#[test]
fn older_decisions_are_one_link_away() {
    let (policy, recent) = (policy(), [relayed("go")]);
    let next = Some("/api/approvals?before=a&b");
    let page = list(&cards(), &Listing { next, ..listing(&policy, &[], &recent) });
    assert!(page.contains(r#"rel="next" href="/api/approvals?before=a&#38;b">Older</a>"#), "{page}");
    assert!(!show_list(&[], &[]).contains("Older"));
}

#[test]
fn a_page_of_the_list_claims_nothing_about_the_other_pages() {
    let (policy, waiting, recent) = (policy(), [requested(release())], [relayed("go")]);
    let (none_waits, none_decided) = ("Nothing waits for a decision", "There are none yet");
    let page = |listing: Listing| list(&cards(), &listing);
    let first = page(Listing { next: Some("/x"), ..listing(&policy, &waiting, &[]) });
    assert!(!first.contains(none_decided) && first.contains(">More</a>"), "{first}");
    let second = page(Listing { is_first: false, ..listing(&policy, &[], &recent) });
    assert!(!second.contains(none_waits), "{second}");
    let filtered = page(Listing { is_first: false, ..listing(&policy, &[], &[]) });
    assert!(!filtered.contains(none_waits) && !filtered.contains(none_decided), "{filtered}");
    assert!(filtered.contains("Nothing of this kind is on this page."), "{filtered}");
    let own = page(Listing { sees_all: false, ..listing(&policy, &[], &[]) });
    assert!(
        own.contains("Nothing that you may see waits") && own.contains("none yet that you may see"),
        "{own}"
    );
    let whole = page(listing(&policy, &[], &[]));
    assert!(whole.contains(none_waits) && whole.contains(none_decided), "{whole}");
}

#[test]
fn an_empty_list_says_how_to_ask() {
    let how = "https://app.example/api/RequestApproval";
    assert!(show_list(&[], &[]).contains(how));
    assert!(!show_list(&[], &[relayed("go")]).contains(how));
}

#[test]
fn dry_runs_say_so_on_every_page() {
    let banner = "Dry run: nothing is sent to GitHub.";
    let alex = person(None);
    let (policy, seen) =
        (Policy { dry_run: true, ..policy() }, decided(Ending::Approved, DeliveryState::None));
    let page = approval(&cards(), &Content::of(&seen, &policy, noon()), &view(&alex));
    assert!(page.contains(banner) && page.contains("dry run: not sent"));
    assert!(list(&cards(), &listing(&policy, &[], &[])).contains(banner));
    assert!(!show(&release()).contains(banner) && !show_list(&[], &[]).contains(banner));
}

#[test]
fn a_note_has_a_title_a_sentence_and_a_way_on() {
    let page = note("Not found", "There is no such approval here.", None, Some((LIST, "All approvals")));
    assert!(page.contains("<title>Not found – ApproveRelease</title>"), "{page}");
    assert!(page.contains("<p>There is no such approval here.</p>"));
    assert!(page.contains(r#"<a class="button" href="/api/approvals">All approvals</a>"#));
}

#[test]
fn relays_of_one_event_type_are_told_apart_and_a_dry_run_is_called_one() {
    let relayed = |version: &str| {
        let repository = Repository::parse("octo/app").expect("a repository");
        let client_payload = payload(&serde_json::json!({"version": version}).to_string());
        let dispatch = RepositoryDispatch { repository, event_type: event_type("go"), client_payload };
        let decision = Decision::new(dispatch, person(None), noon());
        Item::Relayed(Box::new(RelayStanding { decision, progress: Progress::Untried }))
    };
    let list = show_list(&[], &[relayed("1.4.2"), relayed("6.6.6\u{200b}")]);
    for words in [r#"go { &#34;version&#34;: &#34;1.4.2&#34; }"#, r"6.6.6\u{200b}"] {
        assert!(list.contains(words), "{words} in {list}");
    }
}
