-- One row per line of a statement and row of a file behind it: what was billed, and why, as it was known when the line was
-- entered into the books (domain.md, "Closing, and what comes late"); of drafts, as it is known now. A line without such
-- rows, a credit, has one. Of a line's rows those that are `billed` add up to its units; all that are `billed` or `judged`
-- to the seller's month, whose contacts per unit decide the tier.
-- key: posted_period, marketplace_id, seller_id, line_number, dataset, file_id, row_number
-- kind: view
-- period: posted_period
-- column: posted_period | the period of the statement on which the line stands
-- column: line_number | from 1, in the order of the statement: fee lines, then adjustments
-- column: period | the period that the line is about; of an adjustment, the closed one that it corrects
-- column: kind | trial or charge, as the fee line; or credit
-- column: entry | reversal or correction (billing.adjustments); null for a fee line
-- column: units | covered units of the line; negative in a reversal
-- column: fee | per unit, before discount, in currency
-- column: discount | share of the fee that the reward takes off
-- column: waiver | what makes the units free; null: nothing
-- column: amount | net of tax, in currency
-- column: reason | why a credit was granted, or what came late; null for a fee line
-- column: load_id | the load up to which data was known for the line; null: a draft, of all loads
-- column: role | billed: a shipment line whose units are the line's; judged: it counts for the month's performance alone;
--     left_out: its outcome says why it does not count; enrolment
-- column: dataset | as in audit.evidence
-- column: subject_id | as in audit.evidence
-- column: order_item_id | the item that it is about
-- column: happened_at | as in audit.evidence, UTC
-- column: purchased_at | when the order was placed, UTC; decides coverage
-- column: quantity | units shipped; of an order item, ordered
-- column: outcome | as in audit.evidence
-- column: detail | as in audit.evidence
-- column: trial_ends_at | as in audit.evidence, UTC
-- column: path | the file of the row (audit.files)
-- column: item_path | the file that brought the item's version in force (audit.files)
-- column: item_file_id | that file
-- column: item_row_number | its row in that file, from 1

with entries as (
    select
        line.period as posted_period, line.period, line.marketplace_id, line.seller_id, line.terms_id, line.kind,
        cast(null as varchar) as entry, line.units, line.tier, line.fee, line.discount, line.waiver, line.amount,
        line.currency, cast(null as varchar) as reason, cast(null as varchar) as credit_id
    from billing.fee_lines as line
    union all
    select
        posted_period, period, marketplace_id, seller_id, terms_id, kind, entry, units, tier, fee, discount, waiver,
        amount, currency, coalesce(reason, causes), credit_id
    from billing.adjustments
),
numbered as (
    select
        entries.*,
        row_number() over (
            partition by entries.posted_period, entries.marketplace_id, entries.seller_id
            order by
                entries.entry is not null, entries.period, entries.kind = 'credit', version.starts_at,
                entries.kind desc, entries.entry desc, entries.amount, entries.credit_id
        ) as line_number
    from entries
    left join core.terms as version
        on version.marketplace_id = entries.marketplace_id
        and version.terms_id = entries.terms_id
),
dated as (
    -- a reversal takes back what an earlier period entered: it rests on what was known then
    select
        *,
        case
            when entry = 'reversal' then max(posted_period) filter (entry is distinct from 'reversal') over (
                partition by marketplace_id, seller_id, period, terms_id, kind
                order by posted_period groups between unbounded preceding and 1 preceding
            )
            else posted_period
        end as known_with
    from numbered
),
lines as (
    select dated.*, closes.load_id
    from dated
    left join billing.closes as closes
        on closes.marketplace_id = dated.marketplace_id
        and closes.period = dated.known_with
),
kept as (
    -- a kept row holds for lines known with a period after `after`, when it had changed before, and up to last_closed
    select
        *,
        lag(last_closed) over (
            partition by period, marketplace_id, seller_id, dataset, file_id, row_number
            order by last_closed
        ) as after
    from billing.kept_evidence
),
last_kept as (
    select period, marketplace_id, seller_id, dataset, file_id, row_number, max(last_closed) as last_closed
    from billing.kept_evidence
    group by all
),
evidence as (
    select known.*, last_kept.last_closed as after, cast(null as varchar) as last_closed
    from audit.evidence as known
    left join last_kept
        on last_kept.period = known.period
        and last_kept.marketplace_id = known.marketplace_id
        and last_kept.seller_id = known.seller_id
        and last_kept.dataset = known.dataset
        and last_kept.file_id = known.file_id
        and last_kept.row_number = known.row_number
    union all by name
    select * exclude (was_there)
    from kept
    where was_there
)
select
    lines.posted_period, lines.marketplace_id, lines.seller_id, lines.line_number, lines.period, lines.terms_id,
    lines.kind, lines.entry, lines.units, lines.tier, lines.fee, lines.discount, lines.waiver, lines.amount,
    lines.currency, lines.reason, lines.load_id,
    case
        when evidence.dataset = 'enrolment_events' then 'enrolment'
        when evidence.dataset in ('returns', 'order_items') or evidence.outcome = 'counted' then 'judged'
        when evidence.dataset = 'shipments' and evidence.terms_id = lines.terms_id and (
            (evidence.outcome = 'trial' and lines.kind = 'trial')
            or (evidence.outcome = 'chargeable' and lines.kind = 'charge')
        ) then 'billed'
        when evidence.dataset = 'shipments' and evidence.outcome in ('trial', 'chargeable') then 'judged'
        when evidence.dataset is not null then 'left_out'
    end as role,
    evidence.dataset, evidence.subject_id, evidence.order_id, evidence.order_item_id, evidence.happened_at,
    evidence.purchased_at, evidence.quantity, evidence.outcome, evidence.detail,
    evidence.trial_ends_at,
    file.path, evidence.file_id, evidence.row_number,
    item_file.path as item_path, evidence.item_file_id, evidence.item_row_number
from lines
left join evidence
    on evidence.marketplace_id = lines.marketplace_id
    and evidence.seller_id = lines.seller_id
    and evidence.period = lines.period
    and coalesce(lines.known_with > evidence.after, true)
    and coalesce(lines.known_with <= evidence.last_closed, true)
    and lines.kind <> 'credit'
left join audit.files as file
    on file.file_id = evidence.file_id
left join audit.files as item_file
    on item_file.file_id = evidence.item_file_id
