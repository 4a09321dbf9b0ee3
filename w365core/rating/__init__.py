"""PRICE (pure): what usage costs a customer, summed per subscription, product and charge window."""
