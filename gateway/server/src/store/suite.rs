//! What every engine must do: the rules of [`Store`] and of [`gateway_core::change`], as functions that panic when one is
//! broken. An engine's tests call [`run_all`]; it knows nothing of engines.

mod accounts;
mod audit;
mod erasing;
mod keeping;
mod lanes;
mod links;
mod notices;
mod outbox;
mod referrals;
mod reports;
mod resources;
pub(in crate::store) mod samples;
mod search;

use super::Store;
use std::sync::Arc;

/// Holds an engine to every rule. `make` gives a fresh, empty store each time.
///
/// # Panics
/// When a rule is broken; the message says which.
pub async fn run_all<F, R>(make: F)
where
    F: Fn() -> R,
    R: Future<Output = Arc<dyn Store>>,
{
    resources::versions_follow_each_other(make().await).await;
    resources::history_is_newest_first_and_old_versions_stay(make().await).await;
    resources::several_are_read_as_they_stand(make().await).await;
    resources::a_read_version_must_still_be_current(make().await).await;
    resources::what_was_read_must_still_be_all_there_is(make().await).await;
    resources::no_match_looks_at_current_tokens_only(make().await).await;
    resources::concurrent_creates_make_exactly_one(make().await).await;
    resources::compartments_do_not_see_each_other(make().await).await;
    search::criteria_are_and_over_or(make().await).await;
    search::last_updated_is_bounded_inclusively(make().await).await;
    search::pages_are_stable_while_others_write(make().await).await;
    search::places_grow_with_creation(make().await).await;
    referrals::revisions_follow_each_other(make().await).await;
    referrals::a_platform_speaks_by_name_or_key(make().await).await;
    referrals::lists_are_filtered_and_paged(make().await).await;
    referrals::what_a_person_has_to_settle_is_listed(make().await).await;
    referrals::who_has_not_answered_is_found_by_the_deadline(make().await).await;
    referrals::counts_say_how_many_stand_where(make().await).await;
    outbox::claims_lease_what_is_due_longest_waiting_first(make().await).await;
    outbox::tenants_take_turns(make().await).await;
    outbox::what_is_urgent_goes_first_from_its_time_on(make().await).await;
    outbox::what_is_urgent_can_be_claimed_alone(make().await).await;
    outbox::what_stands_before_a_row_is_counted(make().await).await;
    outbox::only_the_newest_fence_may_write(make().await).await;
    outbox::what_waits_can_be_dropped_and_what_is_leased_is_its_holders(make().await).await;
    outbox::an_expired_lease_is_claimed_as_interrupted(make().await).await;
    outbox::a_row_that_dies_with_its_process_is_bounded_at_the_claim(make().await).await;
    outbox::what_dies_among_others_is_tried_alone_before_it_is_blamed(make().await).await;
    outbox::a_held_lease_survives_the_holders_writes(make().await).await;
    outbox::errands_of_a_referral_wait_for_earlier_ones(make().await).await;
    outbox::next_due_counts_only_what_a_claim_would_get(make().await).await;
    outbox::the_backlog_is_what_waits_or_is_leased(make().await).await;
    outbox::dead_letters_are_listed_by_creation(make().await).await;
    outbox::concurrent_claims_never_share_a_row(make().await).await;
    lanes::one_holds_a_lane_at_a_time(make().await).await;
    lanes::a_lane_keeps_what_the_next_holder_has_to_know(make().await).await;
    lanes::what_is_reserved_of_a_quota_is_not_taken_back(make().await).await;
    lanes::nothing_is_claimed_under_an_older_fence(make().await).await;
    lanes::what_was_leased_is_claimed_at_once_by_the_next_holder(make().await).await;
    lanes::what_was_taken_over_is_claimed_the_least_tried_first(make().await).await;
    lanes::lanes_are_no_content(make().await).await;
    reports::raw_reports_wait_until_read(make().await).await;
    reports::the_same_statement_is_kept_once(make().await).await;
    reports::parked_statements_find_their_referral(make().await).await;
    reports::alignment_goes_by_the_oldest_statement(make().await).await;
    links::revisions_of_a_link_follow_each_other(make().await).await;
    links::a_link_is_found_by_what_opens_it_and_by_what_goes_on(make().await).await;
    links::no_secret_opens_two_links(make().await).await;
    links::links_are_listed_as_they_were_made_and_as_they_end(make().await).await;
    links::links_go_with_their_referral(make().await).await;
    links::times_of_links_are_kept_to_the_microsecond(make().await).await;
    notices::what_is_fed_comes_in_the_order_of_commits_until_it_is_removed(make().await).await;
    notices::a_queue_is_told_in_order_and_delays_no_other(make().await).await;
    notices::revisions_and_numbers_of_notices_are_taken_once(make().await).await;
    notices::notices_are_listed_by_queue_referral_and_end(make().await).await;
    notices::the_last_of_a_queue_goes_with_the_person_unless_its_numbers_are_told(make().await).await;
    notices::times_of_notices_are_kept_to_the_microsecond(make().await).await;
    accounts::accounts_are_found_by_name_and_listed_as_they_were_made(make().await).await;
    accounts::sign_ins_are_found_by_key_and_follow_each_other(make().await).await;
    accounts::what_means_nothing_any_more_is_listed_by_its_end(make().await).await;
    accounts::times_of_sign_ins_are_kept_to_the_microsecond(make().await).await;
    accounts::what_may_need_a_person_is_listed_for_one_party(make().await).await;
    accounts::what_needs_a_person_comes_the_most_pressing_and_the_longest_waiting_first(make().await).await;
    erasing::what_is_erased_is_gone_and_says_so(make().await).await;
    erasing::what_belongs_to_others_stays(make().await).await;
    erasing::nothing_more_is_taken_for_what_is_erased(make().await).await;
    erasing::what_platforms_said_goes_with_the_referral(make().await).await;
    erasing::single_things_can_be_removed(make().await).await;
    keeping::answers_are_kept_for_one_client(make().await).await;
    keeping::cursors_and_audit_are_kept(make().await).await;
    audit::lines_are_numbered_and_chained_for_each_tenant(make().await).await;
    audit::what_is_refused_leaves_no_gap(make().await).await;
    keeping::a_failing_check_changes_nothing(make().await).await;
    keeping::a_failing_change_undoes_the_ones_before_it(make().await).await;
    keeping::transactions_that_wait_together_fail_alone(make().await).await;
    keeping::every_change_shows_in_the_hash(make().await, make().await).await;
    keeping::times_are_kept_to_the_microsecond(make().await).await;
}
