"""The store: typed functions over the queries in sql/, one file per topic; rows become dataclasses here."""
