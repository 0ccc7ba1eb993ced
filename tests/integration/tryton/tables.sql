-- The tables of Tryton that the ledger's query reads, with the columns it reads; written from the
-- modules' documentation for the tests. Names, types and what may be NULL are Tryton's.
CREATE TABLE party_party (id serial PRIMARY KEY, name varchar);
CREATE TABLE currency_currency (id serial PRIMARY KEY, code varchar NOT NULL);
CREATE TABLE company_company (
    id serial PRIMARY KEY,
    party integer NOT NULL REFERENCES party_party,
    currency integer NOT NULL REFERENCES currency_currency
);
CREATE TABLE account_account (
    id serial PRIMARY KEY,
    code varchar,
    name varchar NOT NULL,
    company integer NOT NULL REFERENCES company_company,
    type integer,
    closed boolean
);
CREATE TABLE account_period (
    id serial PRIMARY KEY,
    name varchar NOT NULL,
    start_date date NOT NULL,
    end_date date NOT NULL,
    state varchar NOT NULL,
    fiscalyear integer NOT NULL
);
CREATE TABLE account_journal (id serial PRIMARY KEY, code varchar);
CREATE TABLE account_move (
    id serial PRIMARY KEY,
    number varchar,
    company integer NOT NULL REFERENCES company_company,
    period integer NOT NULL REFERENCES account_period,
    journal integer NOT NULL REFERENCES account_journal,
    date date NOT NULL,
    post_date date,
    state varchar NOT NULL,
    description varchar,
    origin varchar
);
CREATE TABLE account_move_line (
    id serial PRIMARY KEY,
    move integer NOT NULL REFERENCES account_move,
    account integer NOT NULL REFERENCES account_account,
    debit numeric NOT NULL,
    credit numeric NOT NULL,
    second_currency integer REFERENCES currency_currency,
    amount_second_currency numeric,
    party integer REFERENCES party_party,
    description varchar,
    origin varchar,
    reconciliation integer
);
CREATE INDEX account_move_line_move ON account_move_line (move);
CREATE TABLE account_invoice (
    id serial PRIMARY KEY,
    number varchar,
    reference varchar,
    invoice_date date,
    accounting_date date,
    move integer REFERENCES account_move,
    type varchar NOT NULL,
    state varchar NOT NULL
);
CREATE INDEX account_invoice_move ON account_invoice (move);
CREATE TABLE account_statement_line (
    id serial PRIMARY KEY,
    number varchar,
    description varchar,
    amount numeric NOT NULL,
    move integer REFERENCES account_move
);
CREATE INDEX account_statement_line_move ON account_statement_line (move);

INSERT INTO party_party VALUES (1, 'Acme Inc'), (2, 'Acme GmbH');
INSERT INTO currency_currency VALUES (1, 'USD'), (2, 'EUR'), (3, 'JPY'), (4, 'GBP');
INSERT INTO company_company VALUES (1, 1, 1), (2, 2, 2);
INSERT INTO account_journal VALUES (1, 'REV'), (2, 'BANK'), (3, 'MISC');
INSERT INTO account_period VALUES
(1, '2026-10', '2026-10-01', '2026-10-31', 'open', 1),
(2, 'Nov 26', '2026-11-01', '2026-11-30', 'open', 1);
INSERT INTO account_account VALUES
(1, '1000', 'Bank', 1, 1, false),
(2, '1200', 'Receivable', 1, 1, false),
(3, '4000', 'Revenue', 1, 1, false),
(4, NULL, 'Suspense', 1, 1, false),
(5, '1000', 'Bank', 2, 1, false),
(6, '1400', 'Forderungen', 2, 1, false),
(7, '8400', 'Erlöse', 2, 1, false);
