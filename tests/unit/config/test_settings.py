import pytest

from config.settings import Settings, SettingsError

GOOD = {
    "SUPABASE_URL": "https://project.supabase.co",
    "SUPABASE_SERVICE_ROLE_KEY": "sb_secret_abc",
    "DATABASE_URL": "postgresql://postgres:secret@db.project.supabase.co:5432/postgres",
}


@pytest.fixture
def read(monkeypatch):
    """Reads the settings from these variables and no others."""

    def from_variables(**variables):
        for name in [field.upper() for field in Settings.model_fields]:
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return Settings.from_environment()

    return from_variables


@pytest.fixture
def lines(read):
    """The lines that these variables lead to."""

    def of_error(**variables):
        with pytest.raises(SettingsError) as error:
            read(**variables)
        assert str(error.value) == "\n".join(error.value.lines)
        return error.value.lines

    return of_error


def test_three_settings_are_required_and_the_others_have_defaults(read):
    settings = read(**GOOD)
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.part_bytes == 6 * 1024 * 1024
    assert settings.max_record_bytes == 1024 * 1024
    assert settings.max_body_bytes == 50 * 1024**3
    assert (settings.batch_records, settings.upstream_deadline) == (5000, 30)


def test_each_missing_setting_has_a_line(lines):
    found = lines()
    assert [line.split()[0] for line in found] == list(GOOD)
    assert all("is missing" in line for line in found)


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("empty", ["", "   "])
def test_an_empty_setting_is_an_error(lines, name, empty):
    (line,) = lines(**{**GOOD, name: empty})
    assert line.startswith(f"{name} ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SUPABASE_URL", "project.supabase.co"),
        ("SUPABASE_URL", "ftp://project.supabase.co"),
        ("SUPABASE_URL", "https://"),
        ("SUPABASE_SERVICE_ROLE_KEY", "ab\ncd"),
        ("SUPABASE_SERVICE_ROLE_KEY", " abcd"),
        ("SUPABASE_SERVICE_ROLE_KEY", "abcdé"),
        ("DATABASE_URL", "mysql://u@h/db"),
        ("DATABASE_URL", "db.project.supabase.co"),
        ("DATABASE_URL", "postgresql://u:p@h:notaport/db"),
        ("DATABASE_URL", "postgresql://u:p@h:99999/db"),
        ("PORT", "http"),
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("MAX_BODY_BYTES", "0"),
        ("MAX_RECORD_BYTES", "1023"),
        ("MAX_RECORD_BYTES", "4194305"),
        ("PART_BYTES", "1023"),
        ("UPSTREAM_DEADLINE", "0"),
        ("UPSTREAM_DEADLINE", "soon"),
        ("SHUTDOWN_GRACE", "-1"),
        ("BATCH_RECORDS", "0"),
        ("BATCH_RECORDS", "50001"),
        ("PART_ATTEMPTS", "0"),
        ("PART_RETRIES", "-1"),
        ("SWEEP_AFTER", "0"),
        ("SWEEP_AFTER", "59"),
        ("SWEEP_AFTER", "2678401"),
        ("WEBHOOK_SECRET", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("WEBHOOK_SECRET", "whsec_no base64"),
        ("WEBHOOK_SECRET", "whsec_" + "A" * 28),
        ("WEBHOOK_SECRET", "whsec_" + "A" * 88),
        ("WEBHOOK_ALLOW_PRIVATE", "perhaps"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "xml"),
    ],
)
def test_an_invalid_setting_has_one_line_with_its_name(lines, name, value):
    (line,) = lines(**{**GOOD, name: value})
    assert line.startswith((f"{name} ", f"{name}:"))
    assert "\n" not in line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"), ("PORT", "65535"), ("MAX_RECORD_BYTES", "1024"),
        ("MAX_RECORD_BYTES", "4194304"), ("PART_BYTES", "1024"), ("SHUTDOWN_GRACE", "0"),
        ("BATCH_RECORDS", "1"), ("BATCH_RECORDS", "50000"), ("PART_RETRIES", "0"),
        ("SWEEP_AFTER", "60"), ("SWEEP_AFTER", "2678400"),
        ("WEBHOOK_SECRET", "whsec_" + "A" * 32), ("WEBHOOK_SECRET", "whsec_" + "A" * 84),
        ("LOG_LEVEL", "debug"), ("LOG_FORMAT", "json"), ("DATABASE_URL", "postgres://h/db"),
        ("SUPABASE_URL", "http://127.0.0.1:54321"),
    ],
)  # fmt: skip
def test_values_at_a_limit_are_accepted(read, name, value):
    assert read(**{**GOOD, name: value})


def test_the_transaction_pooler_is_rejected_with_a_hint(lines):
    pooler = "postgresql://u:p@aws-0-eu.pooler.supabase.com:6543/postgres"
    (line,) = lines(**{**GOOD, "DATABASE_URL": pooler})
    assert "transaction pooler" in line
    assert "5432" in line


def test_neither_error_lines_nor_repr_show_a_secret(read, lines):
    bad = "postgresql://u:TOPSECRET@h:6543/db"
    assert "TOPSECRET" not in str(lines(**{**GOOD, "DATABASE_URL": bad}))
    assert "TOPSECRET" not in str(lines(**{**GOOD, "SUPABASE_SERVICE_ROLE_KEY": "TOPSECRET\n"}))
    shown = repr(read(**GOOD))
    assert "sb_secret" not in shown
    assert ":secret@" not in shown


@pytest.mark.parametrize(
    ("address", "passwords"),
    [
        ("postgresql://u:p%40ss@h/db", {"p%40ss", "p@ss"}),
        ("postgresql://u@h/db?password=p%40ss&sslpassword=other", {"p@ss", "other"}),
        ("postgresql://u@h/db", set()),
    ],
)
def test_secrets_has_keys_address_and_passwords(read, address, passwords):
    secrets = read(**{**GOOD, "DATABASE_URL": address}).secrets()
    assert {"sb_secret_abc", address, *passwords} <= secrets
    assert "" not in secrets


def test_secrets_has_the_signing_key_with_and_without_prefix(read):
    assert read(**GOOD).webhook_secret is None
    settings = read(**GOOD, WEBHOOK_SECRET="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    key = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert {key, f"whsec_{key}"} <= settings.secrets()
    assert key not in repr(settings)


def test_a_trailing_slash_of_the_address_is_removed(read):
    assert read(**{**GOOD, "SUPABASE_URL": "http://h:1/"}).supabase_url == "http://h:1"


def test_other_variables_are_ignored(read):
    assert read(**GOOD, SUPABASE_ANON_KEY="x", NONSENSE="y")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1m", 60),
        ("90m", 5400),
        ("12h", 43_200),
        ("30d", 2_592_000),
        ("3600", 3600),
        (" 2h ", 7200),
    ],
)
def test_times_are_numbers_of_seconds_or_have_a_unit(read, text, seconds):
    names = ("KEEP_OBJECTS", "KEEP_REJECTIONS", "KEEP_IMPORTS")
    settings = read(**GOOD, **dict.fromkeys(names, text))
    found = (settings.keep_objects, settings.keep_rejections, settings.keep_imports)
    assert found == (seconds,) * 3


def test_all_is_kept_for_ever_but_messages_for_a_day(read):
    settings = read(**GOOD)
    found = (settings.keep_objects, settings.keep_rejections, settings.keep_imports)
    assert (found, settings.keep_messages) == ((None,) * 3, 86_400)
    assert read(**GOOD, KEEP_MESSAGES="2d").keep_messages == 172_800


@pytest.mark.parametrize(
    "text", ["0", "59", "0m", "-1d", "1.5d", "d", "30 d", "30D", "1w", "99999d", "x"]
)
@pytest.mark.parametrize("name", ["KEEP_OBJECTS", "KEEP_MESSAGES"])
def test_other_times_are_errors(lines, name, text):
    (line,) = lines(**GOOD, **{name: text})
    assert line.startswith(name)
