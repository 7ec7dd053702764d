"""From text and behaviour to facts: readers, cleaning, extraction, behaviour mining. Imports only ``kg``."""
