-- Olist's sellers, which have no names: all are taken to be professional and in good standing.
-- dataset: sellers
-- file: olist_sellers_dataset.csv
select
    row_number,
    seller_id,
    'Olist seller ' || left(seller_id, 8) as name,
    'BR' as country,
    'pt-BR' as language,
    seller_id || '@sellers.example' as email,
    'professional' as plan,
    'good' as standing,
    '2016-09-01T00:00:00-03:00' as registered_at,
    '2016-09-01T00:00:00-03:00' as updated_at
from input
