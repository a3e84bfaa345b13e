"""Ways out of the kit: pages and files for people who have no beecam."""
