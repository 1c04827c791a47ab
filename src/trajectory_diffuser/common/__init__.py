"""What is checked, said and recorded, never computed: no stage depends on these files."""
