"""Credit control: partners who pay on invoice, up to a limit; what they owe, reminders, provisions and bad debts."""
