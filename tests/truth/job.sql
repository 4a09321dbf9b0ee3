-- Reconciliation of one invoice in portable SQL, from the contract's section 5: a second oracle, run on Postgres by tests only.
-- In: line_in, subscription_in, change_log_in (numbers numeric, ids text), asked (currency). Out: one row per line_id.
-- No division (engines disagree on its type): months are shared out by a factor that is a hair more than 1 / months, so that halves round up.
-- Every cast is explicit, every sum of no rows is caught by coalesce, no as-of join is left to chance.
with months_of (months, share) as (
    values
        (1, cast(1 as decimal(38, 30))),
        (3, cast(0.333333333333333333333333333334 as decimal(38, 30))),
        (12, cast(0.083333333333333333333333333334 as decimal(38, 30))),
        (36, cast(0.027777777777777777777777777778 as decimal(38, 30)))
),
shifts (place, by_days, is_scheduled, fit) as (
    values (1, 0, 0, 'snapshot'), (2, 0, 1, 'scheduled'), (3, -1, 0, 'shifted'), (4, -1, 1, 'shifted'), (5, 1, 0, 'shifted'), (6, 1, 1, 'shifted'),
        (7, -2, 0, 'shifted'), (8, -2, 1, 'shifted'), (9, 2, 0, 'shifted'), (10, 2, 1, 'shifted')
),
-- --- the provider's side ---------------------------------------------------------------------------------------------------------------
printed as (
    select
        coalesce(subscription_id, 'customer:' || lower(provider_customer_id))
            || '/' || coalesce(cast(charge_start as varchar(10)), '') || '/' || coalesce(cast(charge_end as varchar(10)), '') as line_id,
        subscription_id, charge_start, charge_end, line_number, subtotal, unit_price, effective_unit_price,
        coalesce(exchange_rate, cast(1 as decimal(10, 0))) as rate,
        coalesce(order_date, timestamp '0001-01-01 00:00:00') as moment,
        coalesce(billable_quantity, quantity) as seats,
        lower(replace(replace(replace(coalesce(charge_type, ''), ' ', ''), '_', ''), '-', '')) as printed_kind,
        nullif(nullif(lower(trim(coalesce(billing_frequency, ''))), ''), 'na') as frequency,
        lower(coalesce(term_and_billing_cycle, '')) as term
    from line_in
),
kinds as (
    select
        p.*,
        case
            when printed_kind in ('new', 'purchase', 'renew', 'cyclecharge', 'cyclefee') then 'cycle'
            when printed_kind = 'addquantity' then 'add'
            when printed_kind = 'removequantity' then 'remove'
            when printed_kind = 'cancelimmediate' then 'cancel'
            when printed_kind = 'convert' then 'convert'
            else 'other'
        end as kind
    from printed p
),
-- Without an amount a cycle line counts as +, a cancellation as -. Of the changes of one kind and moment one half, and an odd one, are re-bills:
-- of an add the larger quantities, of a remove the smaller; zero-amount lines take the places that signed ones leave.
ranked as (
    select
        k.*,
        count(*) over (partition by line_id, kind, moment) as of_event,
        sum(case when subtotal < 0 then 1 else 0 end) over (partition by line_id, kind, moment) as credits,
        row_number() over (
            partition by line_id, kind, moment, case when subtotal = 0 then 1 else 0 end
            order by case when kind = 'add' then seats else -seats end, line_number
        ) as place
    from kinds k
),
signed as (
    select
        r.*,
        case
            when subtotal > 0 then 1
            when subtotal < 0 then -1
            when kind = 'cycle' then 1
            when kind = 'cancel' then -1
            when kind in ('add', 'remove') and 2 * (place + credits) <= of_event then -1
            else 1
        end as sign
    from ranked r
),
grouped as (
    select
        line_id, min(subscription_id) as subscription_id, min(charge_start) as charge_start, min(charge_end) as charge_end,
        count(*) as lines, sum(subtotal) as subtotal,
        max(case when kind = 'cycle' then 1 else 0 end) as has_cycle,
        max(case when kind = 'convert' then 1 else 0 end) as has_convert,
        max(case when kind in ('cycle', 'add', 'remove', 'cancel') then 1 else 0 end) as has_seats,
        max(case when kind in ('cycle', 'add', 'remove', 'cancel') and seats is null then 1 else 0 end) as is_uncounted,
        sum(case when kind in ('cycle', 'add', 'remove', 'cancel') then seats * sign end) as net,
        max(case when kind = 'cancel' then moment end) as last_cancel,
        max(case when kind in ('add', 'remove') then moment end) as last_change
    from signed
    group by line_id
),
ends as (
    select g.line_id, s.seats, sum(case when s.sign > 0 then 1 else 0 end) as rebills, sum(case when s.sign < 0 then 1 else 0 end) as credits
    from grouped g
    join signed s on s.line_id = g.line_id and s.kind in ('add', 'remove') and s.moment = g.last_change
    group by g.line_id, s.seats
),
standing as (
    select
        e.line_id, e.seats, case when e.rebills > e.credits then 1 else 0 end as stands,
        max(case when e.rebills > e.credits then 1 else 0 end) over (partition by e.line_id) as any_stands
    from ends e
    where e.rebills > 0
),
rebilled as (
    select
        s.line_id, min(s.seats) as least, max(s.seats) as most,
        max(case when s.seats = case when o.status = 'Suspended' then 0 else o.quantity end then s.seats end) as equal_to_ours
    from standing s
    join grouped g on g.line_id = s.line_id
    left join subscription_in o on o.subscription_id = g.subscription_id
    where s.stands = s.any_stands
    group by s.line_id
),
windows as (
    select
        g.line_id, g.subscription_id, g.charge_start, g.charge_end, g.lines, g.subtotal,
        case
            when g.has_convert = 1 or g.has_seats = 0 then null
            when g.has_cycle = 0 and g.last_cancel >= coalesce(g.last_change, g.last_cancel) then 0
            when g.is_uncounted = 1 then null
            when g.has_cycle = 1 then g.net
            when r.least = r.most then r.least
            else r.equal_to_ours
        end as provider_quantity,
        case
            when greatest(g.last_cancel, g.last_change) > timestamp '0001-01-01 00:00:00' then cast(greatest(g.last_cancel, g.last_change) as date)
            else g.charge_start
        end as snapshot,
        o.status,
        case when o.subscription_id is null then 0 else 1 end as has_subscription,
        case when o.status = 'Suspended' then 0 else o.quantity end as our_quantity
    from grouped g
    left join rebilled r on r.line_id = g.line_id
    left join subscription_in o on o.subscription_id = g.subscription_id
),
-- --- our side: every view of the change logs ---------------------------------------------------------------------------------------------
logs as (
    select
        l.*,
        coalesce(quantity, 0) as seats,
        coalesce(provisioned_on, effective_date) as provisioned_day,
        case when provisioned_on > effective_date then provisioned_on else coalesce(effective_date, provisioned_on) end as later_day,
        case when provisioning_status in ('Provisioned', 'Not Applicable') then 1 else 0 end as is_done,
        case when provisioning_status in ('Awaiting Provisioning', 'Failed Provisioning') then 1 else 0 end as is_stuck,
        case when invoice_number is null and status_reason = 'Archived' then 1 else 0 end as is_excluded,
        case when invoice_number is null and coalesce(status_reason, 'Active') <> 'Archived' then 1 else 0 end as is_open
    from change_log_in l
),
summed as (
    select
        w.line_id, count(l.change_log_id) as logs, coalesce(sum(l.seats), 0) as all_logs,
        case when count(l.change_log_id) > 0 and w.snapshot is not null
            then coalesce(sum(case when l.effective_date <= w.snapshot then l.seats end), 0) end as ours_then,
        max(case when l.event = 'Deactivate' then 1 else 0 end) as was_deactivated,
        max(case when l.event = 'Deactivate' then l.effective_date end) as deactivated_on
    from windows w
    left join logs l on l.subscription_id = w.subscription_id
    group by w.line_id, w.snapshot
),
inside as (
    select
        w.line_id, l.change_log_id, s.place, s.fit, l.seats, l.is_stuck, l.is_excluded, l.is_open,
        case
            when l.is_done = 1 and case when s.is_scheduled = 1 then l.later_day else l.provisioned_day end <= w.snapshot + s.by_days then 1
            else 0
        end as is_inside
    from windows w
    join logs l on l.subscription_id = w.subscription_id
    cross join shifts s
    where w.snapshot is not null
    union all
    select
        w.line_id, l.change_log_id, 11, 'effective', l.seats, l.is_stuck, l.is_excluded, l.is_open,
        case when l.effective_date <= w.snapshot then 1 else 0 end
    from windows w
    join logs l on l.subscription_id = w.subscription_id
    where w.snapshot is not null
),
views as (
    select
        line_id, place, fit, sum(case when is_inside = 1 then seats else 0 end) as held,
        sum(case when is_inside = 0 then 1 else 0 end) as outside,
        max(case when is_inside = 0 then is_stuck else 0 end) as any_stuck,
        max(case when is_inside = 0 then is_excluded else 0 end) as any_excluded,
        max(case when is_inside = 0 then is_open else 0 end) as any_open
    from inside
    group by line_id, place, fit
),
fits as (
    select
        w.line_id,
        min(case when v.held = w.provider_quantity then v.place end) as fit_place,
        max(case when v.held + w.our_quantity - s.all_logs = w.provider_quantity then 1 else 0 end) as settles
    from windows w
    join summed s on s.line_id = w.line_id
    join views v on v.line_id = w.line_id
    group by w.line_id
),
-- --- verdicts -----------------------------------------------------------------------------------------------------------------------------
judged as (
    select
        w.*, s.ours_then, s.all_logs, w.provider_quantity - w.our_quantity as quantity_difference, f.settles, v.fit as view_fit, first.held as snapshot_held,
        case
            when w.has_subscription = 0 then 'no_subscription'
            when w.provider_quantity is null then 'not_reconcilable'
            when w.status = 'Suspended' and w.provider_quantity > 0 and (s.was_deactivated = 0 or s.deactivated_on <= w.snapshot) then 'suspended_but_billed'
            when w.provider_quantity = w.our_quantity then 'confirmed'
            when s.logs = 0 or w.our_quantity is null or w.snapshot is null then 'not_reconcilable'
            when s.all_logs <> w.our_quantity then 'change_log_mismatch'
            when v.any_stuck = 1 then 'provisioning_gap'
            when v.any_excluded = 1 then 'excluded'
            when v.any_open = 1 then 'explained_not_invoiced'
            when v.place is not null then 'explained_invoiced'
            when first.outside > 0 then 'partly_explained'
            else 'unexplained'
        end as verdict,
        case
            when w.provider_quantity = w.our_quantity and s.logs > 0 and s.all_logs = w.our_quantity and s.ours_then <> w.our_quantity and f.fit_place is null
                then 1
            else 0
        end as is_coincidence
    from windows w
    join summed s on s.line_id = w.line_id
    left join fits f on f.line_id = w.line_id
    left join views v on v.line_id = w.line_id and v.place = f.fit_place
    left join views first on first.line_id = w.line_id and first.place = 1
),
-- --- prices -------------------------------------------------------------------------------------------------------------------------------
whole as (
    select w.line_id, m.months
    from windows w
    cross join months_of m
    where w.charge_end = cast(w.charge_start + m.months * interval '1 month' - interval '1 day' as date)
        or (extract(day from w.charge_start) > 1 and w.charge_end = cast(w.charge_start - interval '1 day' + m.months * interval '1 month' as date))
),
billed as (
    select
        s.line_id, s.kind, s.moment, s.rate, s.effective_unit_price, s.unit_price, w.months as whole_months,
        case
            when s.frequency = 'monthly' then 1
            when s.frequency = 'quarterly' then 3
            when s.frequency in ('annual', 'yearly') then 12
            when s.frequency is not null then null
            when s.term like '%monthly%' then 1
            when s.term like '%yearly%' then 12
        end as billing_months
    from signed s
    left join whole w on w.line_id = s.line_id
    where s.kind in ('cycle', 'add', 'remove', 'cancel')
),
-- Of cycle lines, without any of all lines of seats: the effective price of a cycle over whole months, else the list price by its frequency.
costs as (
    select
        b.line_id,
        round(
            case when b.kind = 'cycle' and b.whole_months is not null and b.effective_unit_price is not null then b.effective_unit_price else b.unit_price end
                * b.rate * m.share,
            4
        ) as cost,
        b.moment, max(b.moment) over (partition by b.line_id) as last_moment
    from billed b
    join grouped g on g.line_id = b.line_id
    left join months_of m
        on m.months = case when b.kind = 'cycle' and b.effective_unit_price is not null then coalesce(b.whole_months, b.billing_months) else b.billing_months end
    where b.kind = 'cycle' or g.has_cycle = 0
),
unit_costs as (
    select line_id, max(cost) as cost from costs where moment = last_moment group by line_id
),
prices as (
    select
        o.subscription_id, o.quantity,
        case when o.currency = a.currency then o.selling_price * m.share end as selling,
        case when o.currency = a.currency then o.cost_price * m.share end as cost,
        case when a.currency = 'JPY' then 0 else 2 end as places
    from subscription_in o
    cross join asked a
    join months_of m on m.months = case lower(coalesce(o.unit, 'Monthly')) when 'annual' then 12 when 'quarterly' then 3 else 1 end
),
results as (
    select
        j.line_id, j.snapshot, j.lines, j.provider_quantity, j.our_quantity, j.ours_then as our_quantity_then, j.quantity_difference, j.verdict, j.subtotal,
        case
            when j.verdict = 'change_log_mismatch' then j.our_quantity - j.all_logs
            when j.verdict in ('partly_explained', 'unexplained') then j.provider_quantity - j.snapshot_held
        end as residual,
        case when j.verdict = 'change_log_mismatch' then j.settles end as settles,
        case when j.verdict in ('provisioning_gap', 'excluded', 'explained_not_invoiced', 'explained_invoiced') then j.view_fit end as fit,
        case when j.verdict = 'confirmed' then j.is_coincidence else 0 end as is_coincidence,
        u.cost as unit_cost, p.selling, round(p.selling, 4) as selling_at_4, round(p.cost, 4) as our_cost, p.places
    from judged j
    left join unit_costs u on u.line_id = j.line_id
    left join prices p on p.subscription_id = j.subscription_id
)
select
    r.line_id, r.snapshot, r.lines, r.provider_quantity, r.our_quantity, r.our_quantity_then, r.quantity_difference, r.residual, r.settles = 1 as residual_settles,
    r.verdict, r.fit, r.is_coincidence = 1 as changed_since, r.unit_cost,
    case
        when r.selling is null or r.unit_cost is null then 'price_unknown'
        when r.selling_at_4 < r.unit_cost then 'below_cost'
        when r.selling_at_4 = r.unit_cost then 'zero_margin'
        when abs(r.our_cost - r.unit_cost) > 0.005 then 'cost_drift'
        else 'price_ok'
    end as price_verdict,
    r.subtotal,
    case
        when r.verdict in ('partly_explained', 'unexplained', 'change_log_mismatch') then round(abs(r.residual * r.unit_cost), r.places)
        when r.verdict in ('suspended_but_billed', 'no_subscription', 'not_reconcilable') then abs(r.subtotal)
        when r.verdict in ('explained_not_invoiced', 'excluded', 'provisioning_gap') then round(abs(r.quantity_difference * r.selling), r.places)
        else 0
    end as money_at_risk
from results r
union all
select
    o.subscription_id || '/not-on-invoice', null, 0, null, o.quantity, null, null, null, null, 'not_on_invoice', null, false, null, 'price_unknown', null,
    round(p.quantity * p.cost, p.places)
from subscription_in o
join prices p on p.subscription_id = o.subscription_id
where o.expected and not exists (select 1 from line_in l where l.subscription_id = o.subscription_id)
order by line_id
