"""Facts from what people do: sessions and baskets, co-occurrence, substitutes and complements."""
