-- One row per order item: its version in force.
-- key: order_id, order_item_id
-- kind: view
-- column: purchased_at | when the order was placed, UTC; decides coverage
-- column: quantity | units ordered
-- column: is_cancelled | whether it was cancelled; null: no
-- column: file_id | the file that brought it (audit.files)
-- column: row_number | its row in that file, from 1

select
    order_id, order_item_id, seller_id, marketplace_id, purchased_at, fulfillment, is_prime, asin, sku, quantity,
    is_cancelled, updated_at, file_id, row_number
from in_force.order_items
