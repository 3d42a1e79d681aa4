"""A stand-in for Supabase's Storage API, based on files, which answers as the real one does."""
