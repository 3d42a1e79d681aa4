"""A stand-in for Supabase's Storage API, on files; it answers as the real one does."""
