-- Olist knew no such programme: every seller is taken to be enrolled from 2017-01-01.
-- dataset: enrolment_events
-- file: olist_sellers_dataset.csv
-- zone: America/Sao_Paulo
select
    row_number,
    seller_id,
    'A2Q3Y263D00KWC' as marketplace_id,
    'activate' as event,
    '2017-01-01 00:00:00' as effective_at,
    'automatic' as source,
    '2017-01-01 00:00:00' as requested_at,
    'true' as terms_accepted
from input
