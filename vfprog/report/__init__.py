"""The HTML report of a cohort: an index and a page an eye."""
