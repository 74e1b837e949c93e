"""The dashboard: a Streamlit app over a store, started by ``oversight dashboard``. It never writes the store."""
