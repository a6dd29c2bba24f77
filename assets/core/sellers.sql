-- One row per seller: its latest version.
-- key: seller_id
-- kind: view
-- column: updated_at | from when this version holds, UTC

select seller_id, name, country, language, email, plan, standing, registered_at, updated_at
from in_force.sellers
qualify row_number() over (partition by seller_id order by updated_at desc) = 1
