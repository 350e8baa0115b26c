"""The store on SQLite and PostgreSQL. The only package that touches SQLModel."""
