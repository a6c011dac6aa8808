"""`veriframe verify`: proves results right by rendering drawn tiles of them again."""
